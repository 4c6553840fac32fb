/* The thread pool: every task once, loop after loop, whoever is asleep. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/pool.h"

enum { TASKS = 1000, MAX_WORKERS = 8 };

typedef struct counts {
    _Atomic int tasks[TASKS];
    _Atomic int wrong_worker;
    int threads;
} counts;

static void count_task(void *argument, size_t index, int worker)
{
    counts *c = argument;
    atomic_fetch_add(&c->tasks[index], 1);
    if (worker < 0 || worker >= c->threads)
        atomic_fetch_add(&c->wrong_worker, 1);
}

static void check_loop(br_pool *pool, size_t tasks)
{
    static counts c;
    c.threads = br_pool_threads(pool);
    for (size_t i = 0; i < TASKS; i++)
        c.tasks[i] = 0;
    br_pool_run(pool, tasks, count_task, &c);
    for (size_t i = 0; i < TASKS; i++)
        cr_assert_eq(c.tasks[i], i < tasks, "task %zu of %zu ran %d times", i, tasks, c.tasks[i]);
    cr_assert_eq(c.wrong_worker, 0);
}

Test(pool, runs_every_task_once, .timeout = 60)
{
    for (int threads = 1; threads <= MAX_WORKERS; threads *= 2) {
        br_pool *pool;
        cr_assert_eq(br_pool_open(&pool, threads, NULL, NULL), BERTRUN_OK);
        cr_assert_eq(br_pool_threads(pool), threads);
        for (size_t loop = 0; loop < 3000; loop++)
            check_loop(pool, loop % 7 == 0 ? TASKS : loop % 5);
        br_pool_close(&pool);
        cr_assert_null(pool);
    }
}

Test(pool, wakes_workers_that_have_gone_to_sleep, .timeout = 60)
{
    br_pool *pool;
    cr_assert_eq(br_pool_open(&pool, 3, NULL, NULL), BERTRUN_OK);
    for (size_t loop = 0; loop < 20; loop++) {
        usleep(2000);
        check_loop(pool, 10);
    }
    br_pool_close(&pool);
}

static void long_task(void *argument, size_t index, int worker)
{
    (void)worker;
    if (index == 1)
        usleep(5000); /* longer than the caller polls */
    atomic_fetch_add((_Atomic int *)argument, 1);
}

Test(pool, waits_for_tasks_that_take_long, .timeout = 60)
{
    br_pool *pool;
    cr_assert_eq(br_pool_open(&pool, 2, NULL, NULL), BERTRUN_OK);
    for (int loop = 0; loop < 20; loop++) {
        _Atomic int done = 0;
        br_pool_run(pool, 2, long_task, &done);
        cr_assert_eq(done, 2);
    }
    br_pool_close(&pool);
}

static void look_at_signals(void *argument, size_t index, int worker)
{
    sigset_t blocked;
    (void)index;
    usleep(1000); /* so that other threads take tasks, too */
    if (worker > 0 && pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 &&
        sigismember(&blocked, SIGTERM) && !sigismember(&blocked, SIGSEGV))
        atomic_fetch_add((_Atomic int *)argument, 1);
}

Test(pool, leaves_signals_to_the_program, .timeout = 60)
{
    br_pool *pool;
    sigset_t blocked;
    _Atomic int workers = 0;
    cr_assert_eq(br_pool_open(&pool, 2, NULL, NULL), BERTRUN_OK);
    while (!workers)
        br_pool_run(pool, 50, look_at_signals, &workers);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    cr_assert_not(sigismember(&blocked, SIGTERM));
    br_pool_close(&pool);
}

Test(pool, knows_how_many_threads_the_process_may_use)
{
    int threads = br_pool_available_threads();
    cr_assert(threads >= 1 && threads <= sysconf(_SC_NPROCESSORS_CONF));
}
