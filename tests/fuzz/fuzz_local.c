/*
 * fuzz_local.c - messages between shim and sender, and the path of their socket.
 */
#include "fuzz.h"

#include <sys/un.h>

#include <hybridge/local.h>

static void check_message(struct fuzz_input in)
{
	struct hybridge_local_packet packet;
	struct hybridge_local_msg msg;
	char file[HYBRIDGE_LOCAL_FILE_MAX];
	size_t len = in.size < sizeof(packet) ? in.size : sizeof(packet);

	/* What was not received holds anything. */
	memset(&packet, 0xa5, sizeof(packet));
	if (len > 0)
		memcpy(&packet, in.data, len);
	len = hybridge_local_take_file(&packet, len, file);
	MUST(strlen(file) < sizeof(file));
	msg = packet.msg;
	if (hybridge_local_valid(&msg, len))
		return;
	MUST(msg.magic == HYBRIDGE_LOCAL_MAGIC);
	MUST(msg.kind >= HYBRIDGE_LOCAL_CONNECT &&
	     msg.kind <= HYBRIDGE_LOCAL_UNKNOWN);
	MUST((msg.flags & ~HYBRIDGE_LOCAL_EARLY) == 0);
	MUST(hybridge_local_size(&msg) == len);
	MUST(msg.host_len < sizeof(msg.host));
	MUST(strlen(msg.host) == msg.host_len);
	MUST(msg.addr.family == 0 || msg.addr.family == 4 ||
	     msg.addr.family == 6);
	if (msg.kind == HYBRIDGE_LOCAL_CONNECT)
		MUST(msg.host_len > 0 || msg.addr.family != 0);
	MUST(!hybridge_local_valid(&msg, len));
}

static void check_path(struct fuzz_input in)
{
	uint8_t choice = fuzz_byte(&in);
	unsigned int uid = choice & 4 ? 0 : fuzz_byte(&in) * 16843009U;
	char *configured = choice & 1 ? fuzz_string(&in) : NULL;
	char *runtime_dir = choice & 2 ? fuzz_string(&in) : NULL;
	char expected[1024];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)] = "untouched";

	if (configured && configured[0])
		snprintf(expected, sizeof(expected), "%s", configured);
	else if (runtime_dir && runtime_dir[0])
		snprintf(expected, sizeof(expected), "%s/hybridge/sender.sock",
			 runtime_dir);
	else if (uid == 0)
		snprintf(expected, sizeof(expected),
			 "/run/hybridge/sender.sock");
	else
		snprintf(expected, sizeof(expected),
			 "/tmp/hybridge-%u/sender.sock", uid);
	if (hybridge_local_socket_path(configured, runtime_dir, uid, path) == 0)
		MUST(strcmp(path, expected) == 0);
	else
		MUST(strlen(expected) >= sizeof(path) &&
		     strcmp(path, "untouched") == 0);
	free(configured);
	free(runtime_dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	if (fuzz_byte(&in) & 1)
		check_path(in);
	else
		check_message(in);
	return 0;
}
