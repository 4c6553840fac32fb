/*
 * Results that are lists: the entities, answers or [MASK]s of a text, and labels chosen of all.
 * Each kind has its own out_*.c, with a line or more to read and members of a JSON object.
 */
#ifndef FOUND_H
#define FOUND_H

#include "cli/result_writer.h"

/* [MASK]s of a text */
void out_fills_text(const result_writer *writer, const result_row *row);
void out_fills_json(const result_writer *writer, const result_row *row);

void out_entities_text(const result_writer *writer, const result_row *row);
void out_entities_json(const result_writer *writer, const result_row *row);

void out_answers_text(const result_writer *writer, const result_row *row);
void out_answers_json(const result_writer *writer, const result_row *row);

void out_classes_text(const result_writer *writer, const result_row *row);
void out_classes_json(const result_writer *writer, const result_row *row);

/** `"text": ..., "start": ..., "end": ...` and the same in bytes, of a part of the text. */
void found_span_json(FILE *stream, const char *text, const bertrun_span *span);

/** Begins a line of what was found in a text: its number, and its id if it has one. */
void found_text_begin(FILE *stream, const result_row *row);

/** The part of the text, printable and shortened. */
void found_span_text(char title[TITLE_BYTES], const char *text, const bertrun_span *span);

#endif
