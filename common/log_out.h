/*
 * log_out.h - takes the finished lines of the log to standard error.
 */
#ifndef HYBRIDGE_COMMON_LOG_OUT_H
#define HYBRIDGE_COMMON_LOG_OUT_H

#include <stddef.h>

#include <hybridge/log.h>

/* PIPE_BUF: what a pipe takes in one piece, so that no line is torn by another process's. */
#define LOG_OUT_MAX 4096

/**
 * log_out() - Write a line, behind those that wait, or let it wait with them
 * @level: Whether it may wait: hybridge_log_hold()
 * @len:   At most LOG_OUT_MAX bytes, newline included
 */
void log_out(enum hybridge_log_level level, const char *line, size_t len);

#endif
