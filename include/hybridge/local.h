/*
 * local.h - what the shim (and the command line) say to the sender.
 *
 * One SOCK_SEQPACKET connection per request, one packet per message, so a
 * message is whole or absent.  Pure and free of dependencies.  Both ends run
 * on one machine: integers are in host order.
 *
 *	CONNECT  hold this connect(): carries SCM_RIGHTS {A, B, L}, or with
 *		 HYBRIDGE_LOCAL_EARLY {A, L}; no answer: the socket A is the answer
 *	NAME	 a name that matched a suffix entry was resolved: remember which
 *		 address it got; no answer
 *	PEER	 who did the program ask for when its socket got this local
 *		 address, and the hold's port as its peer's (@port; local ports may
 *		 be shared)?  Answered by one PEER message, port 0 when unknown.
 *		 Also used with addr alone: which name has this address?
 *	STATUS	 answered by packets of JSON text until end of file
 *	REFUSED	 the shim refused a connect() itself (port not mapped ...): for the
 *		 sender's log and counters; @detail is the errno; no answer
 *	UNKNOWN	 a name that is not mapped could not be resolved, though others of
 *		 its domain are mapped: for the sender's log; no answer
 */
#ifndef HYBRIDGE_LOCAL_H
#define HYBRIDGE_LOCAL_H

#include <stddef.h>
#include <stdint.h>

#include <hybridge/hostmap.h>

#define HYBRIDGE_LOCAL_MAGIC   0x68796231u /* "hyb1": changes with the layout */
#define HYBRIDGE_LOCAL_MAX_FDS 3
#define HYBRIDGE_LOCAL_FILE_MAX \
	4096 /* more than a path of file_len bytes has */
#define HYBRIDGE_VERDICT_MAGIC 0x48590000u

enum hybridge_local_kind {
	HYBRIDGE_LOCAL_CONNECT = 1,
	HYBRIDGE_LOCAL_NAME,
	HYBRIDGE_LOCAL_PEER,
	HYBRIDGE_LOCAL_STATUS,
	HYBRIDGE_LOCAL_REFUSED,
	HYBRIDGE_LOCAL_UNKNOWN,
};

enum hybridge_local_flags {
	HYBRIDGE_LOCAL_EARLY =
		1, /* L is an ordinary listener: accept from it */
};

/**
 * struct hybridge_local_msg - The fixed part of every message
 * @magic:    HYBRIDGE_LOCAL_MAGIC
 * @kind:     enum hybridge_local_kind
 * @flags:    enum hybridge_local_flags
 * @port:     Port that the program asked for, host order
 * @host_len: Bytes of host name that follow; 0 when only @addr is known
 * @detail:   By kind; else 0
 * @addr:     CONNECT, NAME: the address given out for the name (family 4), or
 *            the address that the program asked for; PEER: the socket's local address
 * @addr_port: PEER: the socket's local port
 *
 * @file_len: CONNECT: bytes of the path of the program's env file that follow the
 *            host name; 0 when there is none, as from older libraries
 *
 * Followed by @host_len bytes of host name (at most 255) and @file_len of the path,
 * neither of them terminated.
 */
struct hybridge_local_msg {
	uint32_t magic;
	uint8_t kind;
	uint8_t flags;
	uint16_t port;
	uint16_t host_len;
	uint16_t addr_port;
	int32_t detail;
	struct hybridge_ip addr;
	uint8_t unused;
	uint16_t file_len;
	char host[256];
};

/** struct hybridge_local_packet - Room for any message */
struct hybridge_local_packet {
	struct hybridge_local_msg msg;
	char more[HYBRIDGE_LOCAL_FILE_MAX];
};

#define HYBRIDGE_LOCAL_FIXED offsetof(struct hybridge_local_msg, host)

/**
 * hybridge_local_size() - Bytes of a message on the wire
 */
size_t hybridge_local_size(const struct hybridge_local_msg *msg);

/**
 * hybridge_local_take_file() - Take the path of the env file off a message's end
 * @packet: As received; without a path afterwards
 * @len:    Bytes received
 * @file:   Set to the path, NUL-terminated; empty when there is none
 *
 * Return: Bytes that are left, for hybridge_local_valid(), which finds what is wrong
 */
size_t hybridge_local_take_file(struct hybridge_local_packet *packet,
				size_t len,
				char file[static HYBRIDGE_LOCAL_FILE_MAX]);

/**
 * hybridge_local_valid() - Check a message that was received
 * @msg: The message; its host is NUL-terminated on success
 * @len: Bytes received
 *
 * Return: NULL when it is sound, or what is wrong with it
 */
const char *hybridge_local_valid(struct hybridge_local_msg *msg, size_t len);

/**
 * hybridge_local_socket_path() - Where the sender listens
 * @configured: HYBRIDGE_SOCKET's value, or NULL
 * @runtime_dir: XDG_RUNTIME_DIR's value, or NULL
 * @uid:        The user
 * @out:        Filled with a NUL-terminated path
 *
 * @configured as it is; else @runtime_dir/hybridge/sender.sock; else, for
 * root, /run/hybridge/sender.sock; else /tmp/hybridge-UID/sender.sock, whose
 * directory the creator must own and keep at mode 0700.
 *
 * Return: 0, or -1 when it does not fit into sun_path (108 bytes, unix(7))
 */
int hybridge_local_socket_path(const char *configured, const char *runtime_dir,
			       unsigned int uid, char out[static 108]);

#endif
