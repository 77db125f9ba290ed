/*
 * fake_names.h - getaddrinfo() under the test's control: no packet leaves the
 * machine, and a look-up lasts as long as the test wants.
 *
 * The program's own getaddrinfo() is linked in place of libc's.
 */
#ifndef HYBRIDGE_TESTS_FAKE_NAMES_H
#define HYBRIDGE_TESTS_FAKE_NAMES_H

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/**
 * struct fake_name - What a name stands for
 * @addresses: Numeric, in order, NULL at the end; none: @gai_error
 * @held:      Look-ups wait until this is false
 */
struct fake_name {
	const char *name;
	const char *addresses[4];
	int gai_error;
	bool held;
	unsigned int lookups;
};

#define FAKE_NAMES 16

/* The test defines them; a NULL name ends the table. */
static struct fake_name fake_names[FAKE_NAMES];
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fake_changed = PTHREAD_COND_INITIALIZER;

typedef int fake_getaddrinfo_fn(const char *, const char *,
				const struct addrinfo *, struct addrinfo **);

static struct fake_name *fake_find(const char *name)
{
	struct fake_name *fake = fake_names;

	while (fake->name && strcmp(fake->name, name) != 0)
		fake++;
	return fake->name ? fake : NULL;
}

/* cppcheck-suppress unusedFunction ; called by the resolver */
int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **out)
{
	static fake_getaddrinfo_fn *real;
	struct fake_name *fake = fake_find(node);
	struct addrinfo **tail = out;

	pthread_mutex_lock(&fake_lock);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (fake) {
		fake->lookups++;
		pthread_cond_broadcast(&fake_changed);
		while (fake->held)
			pthread_cond_wait(&fake_changed, &fake_lock);
	}
	pthread_mutex_unlock(&fake_lock);
	if (!fake)
		return real(node, service, hints, out);
	/* glibc frees a list node by node, so nodes may be joined. */
	*out = NULL;
	for (size_t i = 0; fake->addresses[i]; i++) {
		int ret = real(fake->addresses[i], service, hints, tail);

		if (ret != 0)
			return ret;
		while (*tail)
			tail = &(*tail)->ai_next;
	}
	return *out ? 0 : fake->gai_error;
}

/** fake_hold() - Make look-ups of a name wait, or let them go */
static inline void fake_hold(const char *name, bool held)
{
	pthread_mutex_lock(&fake_lock);
	fake_find(name)->held = held;
	pthread_cond_broadcast(&fake_changed);
	pthread_mutex_unlock(&fake_lock);
}

/** fake_lookups() - How often a name was looked up */
static inline unsigned int fake_lookups(const char *name)
{
	unsigned int num;

	pthread_mutex_lock(&fake_lock);
	num = fake_find(name)->lookups;
	pthread_mutex_unlock(&fake_lock);
	return num;
}

/** fake_await_lookup() - Wait until a name has been looked up so often */
static inline void fake_await_lookup(const char *name, unsigned int num)
{
	pthread_mutex_lock(&fake_lock);
	while (fake_find(name)->lookups < num)
		pthread_cond_wait(&fake_changed, &fake_lock);
	pthread_mutex_unlock(&fake_lock);
}

#endif
