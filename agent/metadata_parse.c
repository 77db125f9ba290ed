/*
 * metadata_parse.c - from an Atom entry to the endpoint in its user metadata.
 */
#include "metadata.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <expat.h>
#include <jansson.h>

#define ELEMENT  "UserMetadata"
#define TEXT_MAX 4096 /* Azure takes 1,024 */
#define NS_SEP   '|'

/* What the parser has come across. */
struct finding {
	XML_Parser parser;
	bool inside;
	bool found;
	bool is_too_long;
	size_t len;
	char text[TEXT_MAX + 1];
};

static bool is_element(const char *name)
{
	const char *local = strrchr(name, NS_SEP);

	return strcmp(local ? local + 1 : name, ELEMENT) == 0;
}

static void on_start(void *owner, const char *name, const char **attributes)
{
	struct finding *finding = owner;

	(void)attributes;
	if (is_element(name) && !finding->found)
		finding->inside = true;
}

static void on_end(void *owner, const char *name)
{
	struct finding *finding = owner;

	if (!finding->inside || !is_element(name))
		return;
	finding->inside = false;
	finding->found = true;
}

static void on_text(void *owner, const char *text, int len)
{
	struct finding *finding = owner;
	size_t room = TEXT_MAX - finding->len;

	if (!finding->inside)
		return;
	finding->is_too_long |= (size_t)len > room;
	if (finding->is_too_long)
		return;
	memcpy(finding->text + finding->len, text, (size_t)len);
	finding->len += (size_t)len;
}

/* Entities of its own are what XML bombs are made of; an answer of Azure's has none. */
static void on_doctype(void *owner, const char *name, const char *system,
		       const char *public, int has_subset)
{
	struct finding *finding = owner;

	(void)name;
	(void)system;
	(void)public;
	(void)has_subset;
	XML_StopParser(finding->parser, XML_FALSE);
}

static int read_xml(struct hybridge_span xml, struct finding *finding,
		    struct hybridge_error *err)
{
	XML_Parser parser = XML_ParserCreateNS(NULL, NS_SEP);
	int ret = -1;

	if (!parser) {
		hybridge_fail(err, HYBRIDGE_ESYSTEM, "out of memory");
		return -1;
	}
	finding->parser = parser;
	XML_SetUserData(parser, finding);
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
	finding->text[finding->len] = '\0';
	return ret;
}

/* The value of {"key":"endpoint","value":...}, or NULL. */
static const char *find_endpoint(const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		const char *key =
			json_string_value(json_object_get(item, "key"));

		if (key && strcasecmp(key, "endpoint") == 0)
			return json_string_value(
				json_object_get(item, "value"));
	}
	return NULL;
}

int metadata_parse(struct hybridge_span xml, char **host, uint16_t *port,
		   struct hybridge_error *err)
{
	struct finding finding = {0};
	struct hybridge_error cause = {0};
	const char *value;
	json_t *list;
	char *out = NULL;
	int ret = -1;

	if (read_xml(xml, &finding, err) != 0)
		return -1;
	list = json_loads(finding.text, 0, NULL);
	value = find_endpoint(list);
	if (finding.is_too_long || !value) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the user metadata names no endpoint");
		hybridge_hint(
			err,
			"set HYBRIDGE_*_TARGET, or give the hybrid "
			"connection the metadata "
			"[{\"key\":\"endpoint\",\"value\":\"host:port\"}]");
	} else if (hybridge_parse_host_port(value, &out, port, &cause) != 0) {
		hybridge_fail(err, HYBRIDGE_ECONFIG,
			      "the endpoint in the user metadata: %s",
			      cause.what);
	} else {
		for (char *c = out; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		*host = out;
		ret = 0;
	}
	json_decref(list);
	return ret;
}

bool metadata_allows(const struct hybridge_connection *connection,
		     const char *host, uint16_t port)
{
	struct hybridge_span name = {host, strlen(host)};
	struct hybridge_ip ip;

	if (hybridge_map_find_name(&connection->allow, name, port, NULL))
		return true;
	return hybridge_ip_parse(name, &ip) &&
	       hybridge_map_find_ip(&connection->allow, &ip, port, NULL);
}
