#define _GNU_SOURCE
#include "common/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"

/* How long a thread polls before it sleeps. A wake-up costs about 50 us, a layer's loops follow one
 * another within a few. */
enum { SPIN_US = 200 };

/*
 * The ticket is what makes a loop: [generation:16][count:24][next:24] in one word. Whoever adds 1
 * to it learns at once which task it got and how many the loop has, so that a thread that comes
 * late, with the loop over or the next one being set up, takes nothing. `task` and `argument` are
 * stable while a task is unfinished.
 */
enum { INDEX_BITS = 24 };
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)

typedef struct br_worker {
    br_pool *pool;
    pthread_t thread;
    int index;
} br_worker;

struct br_pool {
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic size_t done;
    _Alignas(64) _Atomic int sleepers; /* workers in pthread_cond_wait, or about to be */
    _Atomic bool caller_sleeps;
    _Atomic bool stop;
    br_task_fn task;
    void *argument;
    size_t first; /* index of the loop's first task */
    br_worker_init_fn init;
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    int threads;
    br_worker workers[]; /* [threads - 1] started so far */
};

static bool has_task(uint64_t ticket)
{
    return (ticket & INDEX_MASK) < (ticket >> INDEX_BITS & INDEX_MASK);
}

static uint64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void run_tasks(br_pool *pool, int worker)
{
    while (has_task(atomic_load(&pool->ticket))) {
        uint64_t ticket = atomic_fetch_add(&pool->ticket, 1);
        if (!has_task(ticket))
            return;
        size_t count = ticket >> INDEX_BITS & INDEX_MASK;
        pool->task(pool->argument, pool->first + (ticket & INDEX_MASK), worker);
        if (atomic_fetch_add(&pool->done, 1) + 1 == count && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static bool awaited(br_pool *pool)
{
    return has_task(atomic_load(&pool->ticket)) || atomic_load(&pool->stop);
}

/* Polls `ready` for SPIN_US; returns whether it came true. */
static bool spin(br_pool *pool, bool (*ready)(br_pool *))
{
    uint64_t end = now_us() + SPIN_US;
    do {
        for (int i = 0; i < 32; i++) {
            if (ready(pool))
                return true;
            relax();
        }
    } while (now_us() < end);
    return false;
}

static void sleep_for_work(br_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!awaited(pool))
        pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument)
{
    br_worker *worker = argument;
    br_pool *pool = worker->pool;
    if (pool->init)
        pool->init();
    while (!atomic_load(&pool->stop)) {
        if (!spin(pool, awaited))
            sleep_for_work(pool);
        run_tasks(pool, worker->index);
    }
    return NULL;
}

static void wake_workers(br_pool *pool)
{
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

static bool finished(br_pool *pool)
{
    return atomic_load(&pool->done) == (atomic_load(&pool->ticket) >> INDEX_BITS & INDEX_MASK);
}

static void wait_finished(br_pool *pool)
{
    if (spin(pool, finished))
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (!finished(pool))
        pthread_cond_wait(&pool->finished, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

/* Late increments of `next` must not reach the count, hence half of what the field holds. */
static const size_t MAX_LOOP = INDEX_MASK / 2;

static void run_loop(br_pool *pool, size_t count)
{
    uint64_t generation = (atomic_load(&pool->ticket) >> 2 * INDEX_BITS) + 1;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, generation << 2 * INDEX_BITS | (uint64_t)count << INDEX_BITS);
    wake_workers(pool);
    run_tasks(pool, 0);
    wait_finished(pool);
}

void br_pool_run(br_pool *pool, size_t count, br_task_fn task, void *argument)
{
    if (pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            task(argument, i, 0);
        return;
    }
    pool->task = task;
    pool->argument = argument;
    for (pool->first = 0; pool->first < count; pool->first += MAX_LOOP)
        run_loop(pool, count - pool->first < MAX_LOOP ? count - pool->first : MAX_LOOP);
}

/* Signals are for the program's own threads; but a fault is reported to the thread that has it. */
static int start_worker(br_worker *worker)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int code = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

bertrun_status br_pool_open(br_pool **out, int threads, br_worker_init_fn init,
                            bertrun_error *error)
{
    *out = NULL;
    br_pool *pool = br_calloc(1, sizeof *pool + (size_t)(threads - 1) * sizeof pool->workers[0]);
    if (!pool)
        return br_fail_nomem(error);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->init = init;
    pool->threads = 1;
    while (pool->threads < threads) {
        br_worker *worker = &pool->workers[pool->threads - 1];
        *worker = (br_worker){.pool = pool, .index = pool->threads};
        int code = start_worker(worker);
        if (code != 0) {
            br_pool_close(&pool);
            return br_fail(error, BERTRUN_ERR_INTERNAL, "cannot start %d threads: %s", threads,
                           strerror(code));
        }
        pool->threads++;
    }
    *out = pool;
    return BERTRUN_OK;
}

void br_pool_close(br_pool **pointer)
{
    br_pool *pool = *pointer;
    *pointer = NULL;
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    wake_workers(pool);
    for (int i = 0; i < pool->threads - 1; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    br_free(pool);
}

int br_pool_threads(const br_pool *pool)
{
    return pool->threads;
}
