/*
 * table.h - uthash, told that a lack of memory is a failure like any other.
 *
 * As it is, it ends the process.  With this, what HASH_ADD() could not add has hh.tbl NULL
 * (or that of the handle that was named): whoever adds looks.
 */
#ifndef HYBRIDGE_TABLE_H
#define HYBRIDGE_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
