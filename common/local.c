/* local.c - checks messages between shim and sender; says where the sender listens. */
#include <string.h>

#include <hybridge/local.h>

#define SUN_PATH_MAX 108

_Static_assert(HYBRIDGE_LOCAL_FIXED == 36, "both ends agree on the layout");

size_t hybridge_local_size(const struct hybridge_local_msg *msg)
{
	return HYBRIDGE_LOCAL_FIXED + msg->host_len + msg->file_len;
}

size_t hybridge_local_take_file(struct hybridge_local_packet *packet,
				size_t len,
				char file[static HYBRIDGE_LOCAL_FILE_MAX])
{
	const char *bytes = (const char *)packet;
	size_t file_len = packet->msg.file_len;

	file[0] = '\0';
	if (len < HYBRIDGE_LOCAL_FIXED || file_len >= HYBRIDGE_LOCAL_FILE_MAX ||
	    packet->msg.kind != HYBRIDGE_LOCAL_CONNECT ||
	    len != hybridge_local_size(&packet->msg))
		return len;
	memcpy(file, bytes + len - file_len, file_len);
	file[file_len] = '\0';
	packet->msg.file_len = 0;
	return len - file_len;
}

static const char *check_by_kind(const struct hybridge_local_msg *msg)
{
	bool named = msg->host_len > 0, addressed = msg->addr.family != 0;

	switch ((enum hybridge_local_kind)msg->kind) {
	case HYBRIDGE_LOCAL_CONNECT:
	case HYBRIDGE_LOCAL_REFUSED:
		return named || addressed ? NULL : "neither host nor address";
	case HYBRIDGE_LOCAL_NAME:
		return named && msg->addr.family == 4
			       ? NULL
			       : "a name without its address";
	case HYBRIDGE_LOCAL_UNKNOWN:
		return named ? NULL : "no name";
	case HYBRIDGE_LOCAL_PEER:
		return addressed ? NULL : "no address to ask about";
	case HYBRIDGE_LOCAL_STATUS:
		return NULL;
	}
	return "unknown kind of message";
}

const char *hybridge_local_valid(struct hybridge_local_msg *msg, size_t len)
{
	if (len < HYBRIDGE_LOCAL_FIXED)
		return "shorter than its fixed part";
	if (msg->magic != HYBRIDGE_LOCAL_MAGIC)
		return "another version's message";
	if (msg->host_len >= sizeof(msg->host) || msg->file_len > 0 ||
	    len != hybridge_local_size(msg))
		return "length and host name do not match";
	if (msg->host_len > 0 && memchr(msg->host, '\0', msg->host_len))
		return "a NUL byte in the host name";
	if (msg->addr.family != 0 && msg->addr.family != 4 &&
	    msg->addr.family != 6)
		return "unknown family of address";
	if (msg->flags & ~HYBRIDGE_LOCAL_EARLY)
		return "unknown flag";
	msg->host[msg->host_len] = '\0';
	return check_by_kind(msg);
}

struct path {
	char *out;
	size_t len;
};

static void add(struct path *path, const char *text)
{
	size_t len = strlen(text);

	if (path->len + len < SUN_PATH_MAX)
		memcpy(path->out + path->len, text, len + 1);
	path->len += len;
}

static void add_number(struct path *path, unsigned int value)
{
	char digits[11];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	add(path, digits + at);
}

int hybridge_local_socket_path(const char *configured, const char *runtime_dir,
			       unsigned int uid, char out[static 108])
{
	char text[SUN_PATH_MAX] = {0};
	struct path path = {.out = text};

	if (configured && *configured) {
		add(&path, configured);
	} else if (runtime_dir && *runtime_dir) {
		add(&path, runtime_dir);
		add(&path, "/hybridge/sender.sock");
	} else if (uid == 0) {
		add(&path, "/run/hybridge/sender.sock");
	} else {
		add(&path, "/tmp/hybridge-");
		add_number(&path, uid);
		add(&path, "/sender.sock");
	}
	if (path.len >= SUN_PATH_MAX)
		return -1;
	memcpy(out, text, path.len + 1);
	return 0;
}
