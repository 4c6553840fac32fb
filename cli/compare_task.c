#include "cli/compare_task.h"

const compare_task *compare_task_for(bertrun_task task)
{
    static const compare_task *const TASKS[] = {&task_classify, &task_similarity};
    for (size_t i = 0; i < sizeof TASKS / sizeof TASKS[0]; i++)
        if (TASKS[i]->task == task)
            return TASKS[i];
    return NULL;
}

size_t compare_inputs_per_row(const compare_task *task, const labelled_rows *rows)
{
    return task->pairs ? 1 : rows->num_texts;
}

bertrun_input compare_input(const compare_task *task, const labelled_rows *rows, size_t index)
{
    size_t per_row = compare_inputs_per_row(task, rows);
    const table_cell *texts = rows->rows[index / per_row].texts;
    const table_cell *text = &texts[index % per_row], *pair = &texts[1];
    bertrun_input input = {.text = text->text, .length = text->length};
    if (task->pairs && rows->num_texts == 2) {
        input.pair = pair->text;
        input.pair_length = pair->length;
    }
    return input;
}
