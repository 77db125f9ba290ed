/* verdict.h - the errno that the sender left on a refused socket. */
#ifndef SHIM_VERDICT_H
#define SHIM_VERDICT_H

/**
 * shim_verdict_translate() - The true errno of a failed connect()
 * @fd:    The socket
 * @error: errno as the kernel gave it
 *
 * Return: The sender's verdict when @error is how a refusal shows and the
 *         socket carries one, else @error
 */
int shim_verdict_translate(int fd, int error);

/**
 * shim_verdict_take() - Make a refused socket ready for another connect()
 * @fd: A socket in TCP_CLOSE
 *
 * Removes an earlier verdict.  Like the kernel, which reports a failure that
 * nobody has read yet to the next connect():
 *
 * Return: The verdict, if the program has not seen it, else 0
 */
int shim_verdict_take(int fd);

#endif
