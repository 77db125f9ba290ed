/*
 * resolve_async.c - getaddrinfo_a(): libc's threads call libc's own
 * getaddrinfo(), so mapped names are replaced by numeric addresses before.
 *
 * The requests are looked at long after this call has returned.  So the
 * numeric texts are kept for ever; as they are few and the same for the same
 * name, each is kept once.  ar_name shows the address afterwards.
 */
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <string.h>

#include "libc.h"
#include "names.h"
#include "sys.h"

#define DIGITS    "0123456789abcdef"
#define MAX_TEXTS 4096

struct text {
	atomic_bool is_ready;
	char text[HYBRIDGE_IP_TEXT];
};

struct texts {
	atomic_size_t len;
	struct text all[MAX_TEXTS];
};

static struct texts *_Atomic kept;

static struct texts *get_texts(void)
{
	struct texts *now = kept, *fresh;

	if (now)
		return now;
	fresh = sys_map(sizeof(*fresh));
	if (!fresh || atomic_compare_exchange_strong(&kept, &now, fresh))
		return fresh;
	sys_munmap(fresh, sizeof(*fresh));
	return now;
}

/* The same text at an address that stays good, or NULL. */
static const char *keep(const char *text)
{
	struct texts *texts = get_texts();
	size_t at;

	if (!texts)
		return NULL;
	for (at = 0; at < texts->len && at < MAX_TEXTS; at++)
		if (texts->all[at].is_ready &&
		    strcmp(texts->all[at].text, text) == 0)
			return texts->all[at].text;
	at = atomic_fetch_add(&texts->len, 1);
	if (at >= MAX_TEXTS)
		return NULL;
	memcpy(texts->all[at].text, text, strlen(text) + 1);
	texts->all[at].is_ready = true;
	return texts->all[at].text;
}

static void replace_name(struct gaicb *request)
{
	/* A label of 64 characters: no resolver asks anybody for such a name. */
	static const char impossible[] = DIGITS DIGITS DIGITS DIGITS;
	const struct addrinfo *hints = request->ar_request;
	struct hybridge_ip ip = {.family = 4};
	char text[HYBRIDGE_IP_TEXT];
	struct shim_name name;
	const char *kept_text;
	enum shim_known known;

	if (hints && hints->ai_flags & AI_NUMERICHOST)
		return;
	known = shim_name_resolve(request->ar_name, &name);
	if (known == SHIM_NAME_SHARES)
		request->ar_name = impossible;
	if (known != SHIM_NAME_MAPPED)
		return;
	for (unsigned int i = 0; i < 4; i++)
		ip.bytes[i] = (uint8_t)(name.v4 >> (24 - 8 * i));
	if (hints && hints->ai_family == AF_INET6) {
		ip.family = 6;
		hybridge_address_v6(name.v4, ip.bytes);
	}
	hybridge_ip_format(&ip, text);
	kept_text = keep(text);
	if (kept_text)
		request->ar_name = kept_text;
}

SHIM_EXPORT int getaddrinfo_a(int mode, struct gaicb *list[], int ent,
			      struct sigevent *sig)
{
	/* Not every libc has it, and a failed look-up shows in dlerror(). */
	int (*next)(int, struct gaicb **, int, struct sigevent *) =
		(int (*)(int, struct gaicb **, int,
			 struct sigevent *))shim_libc_lookup("getaddrinfo_a");

	if (!next) {
		errno = ENOSYS;
		return EAI_SYSTEM;
	}
	for (int i = 0; list && i < ent; i++)
		if (list[i])
			replace_name(list[i]);
	return next(mode, list, ent, sig);
}
