/*
 * test_description.c - a hybrid connection as its relay describes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <hybridge/description.h>

#define HEAD                                                                \
	"<entry xmlns=\"http://www.w3.org/2005/Atom\"><content type=\"x\">" \
	"<HybridConnectionDescription xmlns=\"urn:x\">"
#define TAIL "</HybridConnectionDescription></content></entry>"

static int parse(const char *xml, struct hybridge_description *out)
{
	struct hybridge_error err = {0};
	int ret = hybridge_description_parse(
		(struct hybridge_span){xml, strlen(xml)}, out, &err);

	assert_int_equal(ret == 0 ? HYBRIDGE_OK : HYBRIDGE_EPROTOCOL, err.code);
	return ret;
}

static void metadata_and_listeners_are_found(void **state)
{
	static const struct {
		const char *inside;
		const char *metadata;
		int listeners;
	} cases[] = {
		{"<UserMetadata>a &amp; b</UserMetadata>"
		 "<ListenerCount>2</ListenerCount>",
		 "a & b", 2},
		{"<ListenerCount>0</ListenerCount>", "", 0},
		{"<n:UserMetadata xmlns:n=\"u\">x</n:UserMetadata>", "x", -1},
		/* the first counts */
		{"<UserMetadata>1</UserMetadata><UserMetadata>2</UserMetadata>"
		 "<ListenerCount>3</ListenerCount>"
		 "<ListenerCount>4</ListenerCount>",
		 "1", 3},
		{"<ListenerCount></ListenerCount>", "", -1},
		{"<ListenerCount>-1</ListenerCount>", "", -1},
		{"<ListenerCount> 1</ListenerCount>", "", -1},
		{"<ListenerCount>99999999999</ListenerCount>", "", -1},
		{"<ListenerCount>999999999999999</ListenerCount>", "", -1},
		{"", "", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hybridge_description description;
		char xml[1024];

		print_message("case: %s\n", cases[i].inside);
		snprintf(xml, sizeof(xml), "%s%s%s", HEAD, cases[i].inside,
			 TAIL);
		assert_int_equal(parse(xml, &description), 0);
		assert_string_equal(description.user_metadata,
				    cases[i].metadata);
		assert_int_equal(description.listeners, cases[i].listeners);
		assert_false(description.is_cut);
	}
}

static void metadata_that_do_not_fit_are_said_to_be_cut(void **state)
{
	for (size_t extra = 0; extra < 2; extra++) {
		static char xml[HYBRIDGE_DESCRIPTION_TEXT + 1024];
		static char text[HYBRIDGE_DESCRIPTION_TEXT + 2];
		static struct hybridge_description description;

		(void)state;
		memset(text, 'm', HYBRIDGE_DESCRIPTION_TEXT + extra);
		snprintf(xml, sizeof(xml),
			 HEAD "<UserMetadata>%s</UserMetadata>" TAIL, text);
		assert_int_equal(parse(xml, &description), 0);
		assert_int_equal(description.is_cut, extra == 1);
		if (extra == 0)
			assert_string_equal(description.user_metadata, text);
	}
}

static void what_is_no_such_xml_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"no XML",
		HEAD,
		"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
	};
	static struct hybridge_description description;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(parse(cases[i], &description), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_and_listeners_are_found),
		cmocka_unit_test(metadata_that_do_not_fit_are_said_to_be_cut),
		cmocka_unit_test(what_is_no_such_xml_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
