/*
 * description_parse.c - reads the Atom entry that describes a hybrid connection.
 */
#include <hybridge/description.h>

#include <string.h>

#include <expat.h>

#define NS_SEP        '|'
#define LISTENERS_MAX 1000000

/* An element whose text we want; the first of its name counts. */
struct field {
	const char *name;
	char *text;
	size_t size; /* of @text, with a NUL */
	size_t len;
	bool inside;
	bool found;
	bool is_cut;
};

enum {
	METADATA,
	LISTENERS,
	NUM_FIELDS,
};

struct reader {
	XML_Parser parser;
	struct field fields[NUM_FIELDS];
};

static struct field *find_field(struct reader *reader, const char *name)
{
	const char *local = strrchr(name, NS_SEP);

	for (size_t i = 0; i < NUM_FIELDS; i++)
		if (strcmp(local ? local + 1 : name, reader->fields[i].name) ==
		    0)
			return &reader->fields[i];
	return NULL;
}

static void on_start(void *owner, const char *name, const char **attributes)
{
	struct field *field = find_field(owner, name);

	(void)attributes;
	if (field && !field->found)
		field->inside = true;
}

static void on_end(void *owner, const char *name)
{
	struct field *field = find_field(owner, name);

	if (!field || !field->inside)
		return;
	field->inside = false;
	field->found = true;
}

static void add_text(struct field *field, const char *text, size_t len)
{
	field->is_cut |= len >= field->size - field->len;
	if (field->is_cut)
		return;
	memcpy(field->text + field->len, text, len);
	field->len += len;
}

static void on_text(void *owner, const char *text, int len)
{
	struct reader *reader = owner;

	for (size_t i = 0; i < NUM_FIELDS; i++)
		if (reader->fields[i].inside)
			add_text(&reader->fields[i], text, (size_t)len);
}

/* Entities of its own are what XML bombs are made of; an answer of Azure's has none. */
static void on_doctype(void *owner, const char *name, const char *system,
		       const char *public, int has_subset)
{
	struct reader *reader = owner;

	(void)name;
	(void)system;
	(void)public;
	(void)has_subset;
	XML_StopParser(reader->parser, XML_FALSE);
}

static int read_xml(struct hybridge_span xml, struct reader *reader,
		    struct hybridge_error *err)
{
	XML_Parser parser = XML_ParserCreateNS(NULL, NS_SEP);
	int ret = -1;

	if (!parser) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	reader->parser = parser;
	XML_SetUserData(parser, reader);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetStartDoctypeDeclHandler(parser, on_doctype);
	if (XML_Parse(parser, xml.text, (int)xml.len, 1) == XML_STATUS_OK)
		ret = 0;
	else
		hybridge_fail(err, HYBRIDGE_EPROTOCOL,
			      "the description is not XML as we take it: %s at "
			      "line %lu",
			      XML_ErrorString(XML_GetErrorCode(parser)),
			      XML_GetCurrentLineNumber(parser));
	XML_ParserFree(parser);
	return ret;
}

/* -1 for what is no number that could be meant. */
static int read_count(const char *digits)
{
	int count = 0;

	if (!*digits)
		return -1;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9' || count > LISTENERS_MAX)
			return -1;
		count = count * 10 + (*digits - '0');
	}
	return count;
}

int hybridge_description_parse(struct hybridge_span xml,
			       struct hybridge_description *out,
			       struct hybridge_error *err)
{
	char digits[12] = "";
	struct reader reader = {
		.fields = {
			[METADATA] = {.name = "UserMetadata",
				      .text = out->user_metadata,
				      .size = sizeof(out->user_metadata)},
			[LISTENERS] = {.name = "ListenerCount",
				       .text = digits,
				       .size = sizeof(digits)},
		}};
	struct field *fields = reader.fields;

	if (read_xml(xml, &reader, err) != 0)
		return -1;
	for (size_t i = 0; i < NUM_FIELDS; i++)
		fields[i].text[fields[i].len] = '\0';
	out->is_cut = fields[METADATA].is_cut;
	out->listeners = fields[LISTENERS].is_cut ? -1 : read_count(digits);
	return 0;
}
