#include "models/json_fields.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/json_size.h"
#include "common/memory.h"

bertrun_status br_json_parse(json_t **out, const void *text, size_t size, const char *name,
                             bertrun_error *error)
{
    json_error_t fault;
    if (br_json_memory(text, size) > BR_JSON_MEMORY)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: too much JSON", name);
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!root && fault.line < 0) /* jansson says nothing where memory ran out */
        return br_fail_nomem(error);
    if (!root)
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: line %d, column %d: %s", name, fault.line,
                       fault.column, fault.text);
    *out = root;
    return BERTRUN_OK;
}

bertrun_status br_json_read(json_t **out, const char *path, bertrun_error *error)
{
    *out = NULL;
    br_file file;
    BR_TRY(br_file_open(&file, path, false, error));
    bertrun_status status = br_json_parse(out, file.data, file.size, path, error);
    br_file_close(&file);
    return status;
}

bertrun_status br_field_fail(const char *file, const char *key, const char *detail,
                             bertrun_error *error)
{
    return br_fail(error, BERTRUN_ERR_FORMAT, "%s: \"%s\" %s", file, key, detail);
}

static bertrun_status fail_name(const br_field *field, const char *name, const char *file,
                                bertrun_error *error)
{
    char known[160] = "";
    size_t used = 0;
    for (const br_field_name *n = field->names; n->name && used < sizeof known; n++)
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", n->name);
    return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: \"%s\": \"%s\" is not supported (%s are)",
                   file, field->key, name, known);
}

/* `out` may be NULL. */
static bertrun_status read_name(const json_t *value, const br_field *field, int *out,
                                const char *file, bertrun_error *error)
{
    const char *name = json_string_value(value);
    if (!name)
        return br_field_fail(file, field->key, "is not a string", error);
    for (const br_field_name *known = field->names; known->name; known++) {
        if (strcmp(known->name, name) == 0) {
            if (out)
                *out = known->value;
            return BERTRUN_OK;
        }
    }
    return fail_name(field, name, file, error);
}

static bertrun_status read_string(const json_t *value, const br_field *field, char **out,
                                  const char *file, bertrun_error *error)
{
    if (!json_is_string(value))
        return br_field_fail(file, field->key, "is not a string", error);
    char *copy = br_strndup(json_string_value(value), json_string_length(value));
    if (!copy)
        return br_fail_nomem(error);
    br_free(*out);
    *out = copy;
    return BERTRUN_OK;
}

static bertrun_status read_float(const json_t *value, const br_field *field, float *out,
                                 const char *file, bertrun_error *error)
{
    float number = (float)json_number_value(value);
    if (!json_is_number(value) || !isfinite(number))
        return br_field_fail(file, field->key, "is not a finite number", error);
    *out = number;
    return BERTRUN_OK;
}

static bertrun_status read_field(const json_t *value, const br_field *field, void *member,
                                 const char *file, bertrun_error *error)
{
    switch (field->type) {
    case BR_FIELD_SIZE:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return br_field_fail(file, field->key, "is not a non-negative integer", error);
        *(size_t *)member = (size_t)json_integer_value(value);
        return BERTRUN_OK;
    case BR_FIELD_FLOAT:
        return read_float(value, field, member, file, error);
    case BR_FIELD_BOOL:
        if (!json_is_boolean(value))
            return br_field_fail(file, field->key, "is neither true nor false", error);
        *(bool *)member = json_is_true(value);
        return BERTRUN_OK;
    case BR_FIELD_STRING:
        return read_string(value, field, member, file, error);
    case BR_FIELD_NAME:
        return read_name(value, field, member, file, error);
    case BR_FIELD_ONLY:
        return read_name(value, field, NULL, file, error);
    case BR_FIELD_FALSE:
        if (json_is_false(value))
            return BERTRUN_OK;
        return br_fail(error, BERTRUN_ERR_UNSUPPORTED, "%s: \"%s\" is not supported", file,
                       field->key);
    }
    return BERTRUN_ERR_INTERNAL;
}

bertrun_status br_fields_read(const json_t *object, const br_field *fields, size_t count, void *out,
                              const char *file, bertrun_error *error)
{
    if (!json_is_object(object))
        return br_fail(error, BERTRUN_ERR_FORMAT, "%s: not a JSON object", file);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, fields[i].key);
        if (value && !json_is_null(value))
            BR_TRY(read_field(value, &fields[i], (char *)out + fields[i].offset, file, error));
        else if (fields[i].required)
            return br_field_fail(file, fields[i].key, "is missing", error);
    }
    return BERTRUN_OK;
}

static const char *name_of(const br_field_name *names, int value)
{
    while (names->name && names->value != value)
        names++;
    return names->name;
}

static json_t *write_field(const br_field *field, const void *member)
{
    switch (field->type) {
    case BR_FIELD_SIZE:
        return json_integer((json_int_t) * (const size_t *)member);
    case BR_FIELD_FLOAT:
        return json_real((double)*(const float *)member);
    case BR_FIELD_BOOL:
        return json_boolean(*(const bool *)member);
    case BR_FIELD_STRING:
        return *(char *const *)member ? json_string(*(char *const *)member) : json_null();
    case BR_FIELD_NAME:
        return json_string(name_of(field->names, *(const int *)member));
    case BR_FIELD_ONLY:
    case BR_FIELD_FALSE:
        break;
    }
    return NULL;
}

bool br_fields_write(json_t *object, const br_field *fields, size_t count, const void *in)
{
    for (size_t i = 0; i < count; i++) {
        json_t *value = write_field(&fields[i], (const char *)in + fields[i].offset);
        if (json_object_set_new(object, fields[i].key, value) != 0)
            return false;
    }
    return true;
}
