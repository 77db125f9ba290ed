/*
 * settings_keys.c - finds keys of a table by name, and near misses.
 */
#include <stdio.h>
#include <string.h>

#include <hybridge/settings.h>
#include <hybridge/text.h>

#define PREFIX       "HYBRIDGE_"
#define NAME_MAX_LEN 120 /* of a key for which a suggestion is made */

/* A key taken apart at its star; @tail is empty where there is none. */
struct pattern {
	struct hybridge_span head;
	struct hybridge_span tail;
	bool starred;
};

static struct pattern take_apart(const struct hybridge_key *key)
{
	const char *star = strchr(key->name, '*');
	struct pattern pattern = {.starred = star != NULL};

	pattern.head = hybridge_text_span(key->name);
	if (star) {
		pattern.head.len = (size_t)(star - key->name);
		pattern.tail = hybridge_text_span(star + 1);
	}
	return pattern;
}

/* The form that has no NAME, "HYBRIDGE_HOSTS"; false when there is none. */
static bool plain_form(const struct hybridge_settings_table *table, size_t key,
		       char out[static NAME_MAX_LEN])
{
	struct pattern pattern = take_apart(&table->keys[key]);

	if (pattern.starred && !table->short_forms)
		return false;
	snprintf(out, NAME_MAX_LEN, "%.*s%s", (int)pattern.head.len,
		 pattern.head.text,
		 pattern.starred ? pattern.tail.text + 1 : "");
	return true;
}

/* [A-Z][A-Z0-9_]* */
static bool is_name(struct hybridge_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.text[i];

		if (c >= 'A' && c <= 'Z')
			continue;
		if (i == 0 || (c != '_' && (c < '0' || c > '9')))
			return false;
	}
	return text.len > 0;
}

static bool is_equal(struct hybridge_span name, const char *text)
{
	return name.len == strlen(text) &&
	       memcmp(name.text, text, name.len) == 0;
}

static bool matches(const struct pattern *pattern, struct hybridge_span name,
		    struct hybridge_span *star)
{
	size_t fixed = pattern->head.len + pattern->tail.len;

	if (!pattern->starred || name.len <= fixed ||
	    memcmp(name.text, pattern->head.text, pattern->head.len) != 0 ||
	    memcmp(name.text + name.len - pattern->tail.len, pattern->tail.text,
		   pattern->tail.len) != 0)
		return false;
	star->text = name.text + pattern->head.len;
	star->len = name.len - fixed;
	return is_name(*star);
}

bool hybridge_settings_find_key(const struct hybridge_settings_table *table,
				struct hybridge_span name, size_t *key,
				struct hybridge_span *star)
{
	char plain[NAME_MAX_LEN];

	for (size_t k = 0; table->keys[k].name; k++) {
		if (plain_form(table, k, plain) && is_equal(name, plain)) {
			*key = k;
			*star = (struct hybridge_span){name.text, 0};
			return true;
		}
	}
	if (table->foreign && table->foreign(name))
		return false;
	for (size_t k = 0; table->keys[k].name; k++) {
		struct pattern pattern = take_apart(&table->keys[k]);

		if (matches(&pattern, name, star)) {
			*key = k;
			return true;
		}
	}
	return false;
}

/* Levenshtein's distance; both at most NAME_MAX_LEN long. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1];
	size_t len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t best = diagonal + (a[i] == b[j] ? 0 : 1);

			diagonal = row[j + 1];
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
		}
	}
	return row[len];
}

/* What a search has found so far; a third of the letters may differ. */
struct nearest {
	size_t distance;
	char name[2 * NAME_MAX_LEN];
};

static void consider_plain(const char *name, const char *plain,
			   struct nearest *best)
{
	size_t d = distance(name, plain);

	if (d >= best->distance || d * 3 > strlen(plain) - strlen(PREFIX))
		return;
	best->distance = d;
	snprintf(best->name, sizeof(best->name), "%s", plain);
}

/* Tries every '_' in @name as the end of what stands for the star. */
static void consider_starred(const char *name, const struct pattern *pattern,
			     struct nearest *best)
{
	const char *start = name + pattern->head.len;

	if (strncmp(name, pattern->head.text, pattern->head.len) != 0)
		return;
	for (const char *p = strchr(start, '_'); p; p = strchr(p + 1, '_')) {
		struct hybridge_span star = {start, (size_t)(p - start)};
		size_t d = distance(p, pattern->tail.text);

		if (!is_name(star) || d >= best->distance ||
		    d * 3 > pattern->tail.len)
			continue;
		best->distance = d;
		snprintf(best->name, sizeof(best->name), "%.*s%s",
			 (int)(p - name), name, pattern->tail.text);
	}
}

bool hybridge_settings_suggest(const struct hybridge_settings_table *table,
			       struct hybridge_span name, char *out,
			       size_t size)
{
	struct nearest best = {.distance = NAME_MAX_LEN};
	char upper[NAME_MAX_LEN + 1];
	char plain[NAME_MAX_LEN];

	if (name.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.text[i];

		upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	upper[name.len] = '\0';
	for (size_t k = 0; table->keys[k].name; k++) {
		struct pattern pattern = take_apart(&table->keys[k]);

		if (plain_form(table, k, plain))
			consider_plain(upper, plain, &best);
		if (pattern.starred)
			consider_starred(upper, &pattern, &best);
	}
	if (best.distance == NAME_MAX_LEN)
		return false;
	snprintf(out, size, "%s", best.name);
	return true;
}
