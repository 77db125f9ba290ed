/*
 * config.c - reads HYBRIDGE_ENV's file and the HYBRIDGE_ variables, once.
 *
 * Theory of operation: both sources are gone through twice, first for the
 * single values (the debug file among them, so that what the second pass
 * finds wrong can be told), then for the HOSTS.  What is wanted is copied
 * into one block of memory made for it; everything else, credentials above
 * all, is passed over.  A value in the environment wins over the file's.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <hybridge/local.h>

#include "config.h"
#include "config_file.h"
#include "debug.h"
#include "libc.h"
#include "sys.h"

#define PREFIX     "HYBRIDGE_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define PATH_SPACE 8192 /* for a path that is made absolute */

const struct shim_config *_Atomic shim_config_current;

static const struct shim_config inert;

struct loading {
	struct shim_config *config;
	size_t arena_len;
	char *text; /* where the next copy goes */
	struct hybridge_map_entry *entries;
	uint32_t *addresses;
	size_t max_entries;
	char *const *env;
	struct shim_config_file file;
	struct hybridge_span socket, range, debug, sender, runtime_dir,
		env_file;
};

typedef void visit_fn(struct loading *l, struct hybridge_span key,
		      struct hybridge_span value);

static bool equals(struct hybridge_span a, const char *b)
{
	return a.len == strlen(b) && memcmp(a.text, b, a.len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts(struct hybridge_span text, const char *with)
{
	size_t len = strlen(with);

	return text.len >= len && memcmp(text.text, with, len) == 0;
}

/* HYBRIDGE_HOSTS or HYBRIDGE_name_HOSTS */
static bool is_hosts_key(struct hybridge_span key)
{
	static const char suffix[] = "_HOSTS";
	size_t len = sizeof(suffix) - 1;

	return starts(key, PREFIX) && key.len >= PREFIX_LEN - 1 + len &&
	       memcmp(key.text + key.len - len, suffix, len) == 0;
}

static struct hybridge_env_line split_variable(const char *variable)
{
	struct hybridge_span text = shim_span(variable);
	struct hybridge_env_line line = {.kind = HYBRIDGE_ENV_BLANK};
	const char *equals_sign = memchr(text.text, '=', text.len);

	if (!equals_sign)
		return line;
	line.kind = HYBRIDGE_ENV_PAIR;
	line.key.text = text.text;
	line.key.len = (size_t)(equals_sign - text.text);
	line.value.text = equals_sign + 1;
	line.value.len = text.len - line.key.len - 1;
	line.value = hybridge_env_unquote(line.value);
	return line;
}

static bool in_environment(const struct loading *l, struct hybridge_span key)
{
	for (char *const *at = l->env; at && *at; at++)
		if (strncmp(*at, key.text, key.len) == 0 &&
		    (*at)[key.len] == '=')
			return true;
	return false;
}

static void visit_environment(struct loading *l, visit_fn *visit)
{
	for (char *const *at = l->env; at && *at; at++) {
		struct hybridge_env_line line;

		if ((*at)[0] != 'H' && (*at)[0] != 'X')
			continue;
		line = split_variable(*at);
		if (line.kind == HYBRIDGE_ENV_PAIR)
			visit(l, line.key, line.value);
	}
}

static void visit_file(struct loading *l, visit_fn *visit)
{
	struct hybridge_span rest = {l->file.text, l->file.len};

	for (int number = 1; rest.len > 0; number++) {
		const char *end = memchr(rest.text, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.text) : rest.len;
		struct hybridge_env_line line =
			hybridge_env_parse_line(rest.text, len);

		if (line.kind > HYBRIDGE_ENV_PAIR && l->config)
			shim_debug(l->config, "line of the env file skipped",
				   shim_span(hybridge_env_reason(line.kind)),
				   number);
		if (line.kind == HYBRIDGE_ENV_PAIR &&
		    starts(line.key, PREFIX) && !in_environment(l, line.key))
			visit(l, line.key, line.value);
		len += end ? 1 : 0;
		rest.text += len;
		rest.len -= len;
	}
}

/* First pass: the single values, and how much room the HOSTS need. */
static void take_single(struct loading *l, struct hybridge_span key,
			struct hybridge_span value)
{
	struct hybridge_span *into = NULL;

	if (is_hosts_key(key)) {
		l->max_entries += value.len / 2 + 1; /* "a b" */
		l->arena_len += value.len + 1;
	} else if (equals(key, "HYBRIDGE_ENV")) {
		into = &l->env_file;
	} else if (equals(key, "HYBRIDGE_SOCKET")) {
		into = &l->socket;
	} else if (equals(key, "HYBRIDGE_RANGE")) {
		into = &l->range;
	} else if (equals(key, "HYBRIDGE_DEBUG")) {
		into = &l->debug;
	} else if (equals(key, "HYBRIDGE_SENDER")) {
		into = &l->sender;
	} else if (equals(key, "XDG_RUNTIME_DIR")) {
		into = &l->runtime_dir;
	}
	if (into && !into->text)
		*into = value;
}

static const char *copy(struct loading *l, struct hybridge_span text)
{
	char *at = l->text;

	memcpy(at, text.text, text.len);
	at[text.len] = '\0';
	l->text += text.len + 1;
	return at;
}

/* Where relative paths start, "/" at its end; empty when nobody can tell. */
static const char *copy_folder(struct loading *l)
{
	char *at = l->text;
	long len = sys_getcwd(at, PATH_SPACE / 2);

	if (len < 2 || at[0] != '/')
		len = 0; /* else with its NUL */
	else if (len == 2)
		len = 1;
	else
		at[len - 1] = '/';
	at[len] = '\0';
	l->text += len + 1;
	return at;
}

/* Paths in the file start at its folder, as common/settings_values.c has it. */
static struct hybridge_span start_of(const struct loading *l,
				     struct hybridge_span path)
{
	const char *file = l->config->env_file;
	struct hybridge_span start = shim_span(l->config->folder);

	if (!file || path.text < l->file.text ||
	    path.text >= l->file.text + l->file.len)
		return start;
	start = shim_span(file);
	while (start.len > 0 && start.text[start.len - 1] != '/')
		start.len--;
	return start;
}

/* A copy that stays right when the program changes its directory; NULL for none. */
static const char *copy_path(struct loading *l, struct hybridge_span path)
{
	struct hybridge_span start;
	const char *at = l->text;

	if (path.len == 0 || path.len >= PATH_SPACE / 2)
		return NULL;
	if (path.text[0] == '/')
		return copy(l, path);
	start = start_of(l, path);
	memcpy(l->text, start.text, start.len);
	l->text += start.len;
	copy(l, path);
	return at;
}

static void add_entry(struct loading *l, const struct hybridge_map_entry *entry)
{
	struct shim_config *config = l->config;
	unsigned int whole = entry->block.family == 4 ? 32 : 128;
	bool is_block = entry->kind == HYBRIDGE_MAP_BLOCK;

	if (config->map.len == l->max_entries)
		return;
	if (entry->kind == HYBRIDGE_MAP_SUFFIX)
		config->has_suffix = true;
	else if (!is_block || entry->prefix == whole)
		l->addresses[config->map.len] =
			hybridge_address_v4(config->range, entry->host);
	config->has_block = config->has_block || is_block;
	config->has_wide_block =
		config->has_wide_block || (is_block && entry->prefix < whole);
	l->entries[config->map.len++] = *entry;
}

/* Second pass. */
static void take_hosts(struct loading *l, struct hybridge_span key,
		       struct hybridge_span value)
{
	struct hybridge_span text = {NULL, value.len};
	const char *why = NULL;

	if (!is_hosts_key(key))
		return;
	text.text = copy(l, value);
	for (;;) {
		struct hybridge_map_entry entry = {.connection = 0};
		int got = hybridge_map_parse_item(&text, &entry, &why);

		if (got == 0)
			return;
		if (entry.host.len > 0) /* with a mistake: known, but no port */
			add_entry(l, &entry);
		if (got > 0)
			continue;
		shim_debug(l->config, why, text, 0);
		while (text.len > 0 && !is_blank(text.text[0])) {
			text.text++;
			text.len--;
		}
	}
}

static bool make_room(struct loading *l)
{
	size_t entries_len = l->max_entries * sizeof(*l->entries);
	size_t addresses_len = l->max_entries * sizeof(*l->addresses);
	char *arena;

	addresses_len = (addresses_len + 7) & ~(size_t)7;
	l->arena_len += sizeof(*l->config) + entries_len + addresses_len +
			6 * (size_t)PATH_SPACE;
	arena = sys_map(l->arena_len);
	if (!arena)
		return false;
	l->config = (void *)arena;
	l->entries = (void *)(arena + sizeof(*l->config));
	l->addresses = (void *)(arena + sizeof(*l->config) + entries_len);
	l->text = arena + sizeof(*l->config) + entries_len + addresses_len;
	return true;
}

static void set_socket(struct loading *l)
{
	const char *configured = copy_path(l, l->socket);
	const char *runtime_dir = copy_path(l, l->runtime_dir);

	if (hybridge_local_socket_path(configured, runtime_dir, sys_geteuid(),
				       l->config->socket) < 0)
		shim_debug(l->config, "the socket's path is too long",
			   shim_span(configured ? configured : runtime_dir), 0);
}

static void fill(struct loading *l)
{
	struct shim_config *config = l->config;

	config->debug = copy_path(l, l->debug);
	config->sender = copy_path(l, l->sender);
	config->range = HYBRIDGE_RANGE_DEFAULT;
	if (l->range.len > 0 && !hybridge_range_parse(l->range, &config->range))
		shim_debug(config, "HYBRIDGE_RANGE is not A.B.C.D/N", l->range,
			   0);
	set_socket(l);
	config->map.entries = l->entries;
	config->addresses = l->addresses;
	visit_environment(l, take_hosts);
	visit_file(l, take_hosts);
}

static struct hybridge_span find_env_file(char *const *env)
{
	struct loading l = {.env = env};

	visit_environment(&l, take_single);
	return l.env_file;
}

static void read_file(struct loading *l, int *error)
{
	struct hybridge_span path = find_env_file(l->env);
	char text[PATH_SPACE / 2];

	*error = path.len >= sizeof(text) ? ENAMETOOLONG : 0;
	if (path.len == 0 || *error)
		return;
	memcpy(text, path.text, path.len);
	text[path.len] = '\0';
	*error = -shim_config_file_read(text, &l->file);
}

/* The first one stays; returns it. */
static const struct shim_config *publish(const struct shim_config *config)
{
	const struct shim_config *first = NULL;

	return atomic_compare_exchange_strong(&shim_config_current, &first,
					      config)
		       ? config
		       : first;
}

/* The next call tries again. */
static bool may_pass(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

const struct shim_config *shim_config_load(void)
{
	const struct shim_config *published;
	struct loading l = {.env = environ};
	int error;

	if (shim_is_privileged() || !shim_is_first())
		return publish(&inert);
	read_file(&l, &error);
	if (may_pass(error))
		return &inert;
	visit_environment(&l, take_single);
	visit_file(&l, take_single);
	if (l.max_entries == 0 && !l.debug.text) {
		shim_config_file_wipe(&l.file);
		return publish(&inert);
	}
	if (!make_room(&l)) {
		shim_config_file_wipe(&l.file);
		return &inert; /* perhaps there is memory the next time */
	}
	l.config->folder = copy_folder(&l);
	l.config->env_file = copy_path(&l, l.env_file);
	fill(&l);
	if (error)
		shim_debug(l.config, "cannot read the env file", l.env_file,
			   error);
	shim_config_file_wipe(&l.file);
	published = publish(l.config);
	if (published != l.config)
		sys_munmap(l.config, l.arena_len);
	return published;
}

/* Whether the environment, as it is now, may map something. */
static bool is_configured(char *const *env)
{
	struct loading l = {.env = env};

	visit_environment(&l, take_single);
	return l.env_file.len > 0 || l.max_entries > 0;
}

/*
 * A program may clear its environment, as nginx's workers do, or change its
 * user or its root directory, before the first call that needs all this.  It
 * would find nothing then, and what is mapped would go out directly.
 */
__attribute__((constructor)) static void load_while_it_is_there(void)
{
	shim_libc_resolve();
	if (is_configured(environ))
		shim_config_load();
}
