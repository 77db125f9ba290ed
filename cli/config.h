/*
 * config.h - what hybridge config says of a configuration, one call for each of its verbs.
 *
 * All print on standard output, or one error on standard error.  Return: the exit status.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stdbool.h>

/** config_check() - Whether sender and agent would take it: a line for each connection, and no secret */
int config_check(const char *file);

/** config_show() - Every setting, with its place; "(hidden)" instead of a secret */
int config_show(const char *file, bool as_json);

/** config_explain() - What becomes of a program's connect() to HOST:PORT */
int config_explain(const char *file, const char *place);

/** config_keys() - Every key that there is, with its form and what it is for */
int config_keys(void);

#endif
