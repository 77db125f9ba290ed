/*
 * spare.h - descriptors that are held to be closed when there are no others: whatever is opened
 * next has their numbers.
 */
#ifndef HYBRIDGE_SPARE_H
#define HYBRIDGE_SPARE_H

#include <stddef.h>

/**
 * hybridge_spare_open() - Open those that are not
 * @fds: Descriptors, or -1
 *
 * Return: How many there are now; fewer than @num: errno says why
 */
size_t hybridge_spare_open(int *fds, size_t num);

/** hybridge_spare_close() - Close all; each becomes -1 */
void hybridge_spare_close(int *fds, size_t num);

#endif
