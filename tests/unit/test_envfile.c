/* test_envfile.c - the grammar of one line of an env file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hybridge/envfile.h>

struct pair_case {
	const char *line;
	const char *key;
	const char *value;
};

static void check_span(struct hybridge_span span, const char *want)
{
	assert_int_equal(span.len, strlen(want));
	assert_memory_equal(span.text, want, span.len);
}

static void check_pairs(const struct pair_case *cases, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct hybridge_env_line line;

		print_message("case: %s\n", cases[i].line);
		line = hybridge_env_parse_line(cases[i].line,
					       strlen(cases[i].line));
		assert_int_equal(line.kind, HYBRIDGE_ENV_PAIR);
		check_span(line.key, cases[i].key);
		check_span(line.value, cases[i].value);
	}
}

#define CHECK_PAIRS(cases) \
	check_pairs((cases), sizeof(cases) / sizeof((cases)[0]))

static void a_pair_is_split_at_its_first_equals_sign(void **state)
{
	static const struct pair_case cases[] = {
		{"A=b", "A", "b"},         {"_a9=", "_a9", ""},
		{"A=b=c==", "A", "b=c=="}, {"A=x # note", "A", "x # note"},
		{"A=x;y", "A", "x;y"},     {"A=$B \\n `c`", "A", "$B \\n `c`"},
		{"A=it's", "A", "it's"},   {"A==", "A", "="},
	};

	(void)state;
	CHECK_PAIRS(cases);
}

static void one_pair_of_quotes_round_the_value_is_removed(void **state)
{
	static const struct pair_case cases[] = {
		{"A='b c'", "A", "b c"},
		{"A=\"b c\"", "A", "b c"},
		{"A=''", "A", ""},
		{"A='\"b\"'", "A", "\"b\""},
		{"A=' b '", "A", " b "},
		{"A='Endpoint=sb://x/;K=a+/='", "A", "Endpoint=sb://x/;K=a+/="},
	};

	(void)state;
	CHECK_PAIRS(cases);
}

static void a_bom_a_carriage_return_and_outer_blanks_do_not_count(void **state)
{
	static const struct pair_case cases[] = {
		{"\xef\xbb\xbf"
		 "A=b",
		 "A", "b"},
		{"A=b\r", "A", "b"},
		{"A='b'\r", "A", "b"},
		{" \tA=b", "A", "b"},
		{"A=b \t", "A", "b"},
		{"A='b'  ", "A", "b"},
		{"A= ", "A", ""},
	};

	(void)state;
	CHECK_PAIRS(cases);
}

static void blank_lines_and_comments_say_nothing(void **state)
{
	static const char *const cases[] = {
		"", " ", "\t\r", "#A=b", "  # x", ";A=b", " ;", "\r",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_env_line line;

		print_message("case: %s\n", cases[i]);
		line = hybridge_env_parse_line(cases[i], strlen(cases[i]));
		assert_int_equal(line.kind, HYBRIDGE_ENV_BLANK);
		assert_int_equal(line.key.len, 0);
	}
}

static void what_is_wrong_is_told_apart(void **state)
{
	static const struct {
		const char *line;
		enum hybridge_env_kind kind;
		const char *key;
	} cases[] = {
		{"A", HYBRIDGE_ENV_NO_EQUALS, ""},
		{"export A", HYBRIDGE_ENV_NO_EQUALS, ""},
		{"=b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"9A=b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"A =b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"A.B=b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"export A=b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"\xc3\x84=b", HYBRIDGE_ENV_BAD_KEY, ""},
		{"A= b", HYBRIDGE_ENV_SPACE_AFTER_EQUALS, "A"},
		{"A=\tb", HYBRIDGE_ENV_SPACE_AFTER_EQUALS, "A"},
		{"A='b", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
		{"A='", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
		{"A=\"b'", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
		{"A='b' c", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
		{"A='b'c'", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
		{"A='b' # c", HYBRIDGE_ENV_OPEN_QUOTE, "A"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hybridge_env_line line;

		print_message("case: %s\n", cases[i].line);
		line = hybridge_env_parse_line(cases[i].line,
					       strlen(cases[i].line));
		assert_int_equal(line.kind, cases[i].kind);
		assert_int_equal(line.key.len, strlen(cases[i].key));
		assert_true(strlen(hybridge_env_reason(line.kind)) > 0);
	}
}

static void a_nul_byte_and_an_endless_line_are_refused(void **state)
{
	static char line[HYBRIDGE_ENV_LINE_MAX + 1];

	(void)state;
	assert_int_equal(hybridge_env_parse_line("A=b\0c", 5).kind,
			 HYBRIDGE_ENV_NUL);
	memset(line, 'x', sizeof(line));
	line[1] = '=';
	assert_int_equal(hybridge_env_parse_line(line, sizeof(line)).kind,
			 HYBRIDGE_ENV_TOO_LONG);
	assert_int_equal(hybridge_env_parse_line(line, sizeof(line) - 1).kind,
			 HYBRIDGE_ENV_PAIR);
}

static void unquoting_leaves_what_is_not_quoted_alone(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{"'a'", "a"}, {"\"\"", ""},     {"a", "a"},         {"'", "'"},
		{"", ""},     {"'a\"", "'a\""}, {"'a'b'", "'a'b'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("case: %s\n", cases[i].in);
		check_span(hybridge_env_unquote((struct hybridge_span){
				   cases[i].in, strlen(cases[i].in)}),
			   cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_split_at_its_first_equals_sign),
		cmocka_unit_test(one_pair_of_quotes_round_the_value_is_removed),
		cmocka_unit_test(
			a_bom_a_carriage_return_and_outer_blanks_do_not_count),
		cmocka_unit_test(blank_lines_and_comments_say_nothing),
		cmocka_unit_test(what_is_wrong_is_told_apart),
		cmocka_unit_test(a_nul_byte_and_an_endless_line_are_refused),
		cmocka_unit_test(unquoting_leaves_what_is_not_quoted_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
