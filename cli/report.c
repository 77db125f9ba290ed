/*
 * report.c - rows of checks, as text or as JSON.
 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX  512
#define CHECK_W   9
#define SUBJECT_W 36

static const char *const names[REPORT_STATES] = {
	[REPORT_PASS] = "PASS", [REPORT_WARN] = "WARN", [REPORT_FAIL] = "FAIL",
	[REPORT_SKIP] = "SKIP", [REPORT_NONE] = "NONE",
};

int report_begin(struct report *report, bool as_json)
{
	*report = (struct report){.rows = as_json ? json_array() : NULL};
	return as_json && !report->rows ? -1 : 0;
}

void report_section(struct report *report, const char *name, const char *title)
{
	report->section = name;
	if (!report->rows)
		printf("\n%s%s%s\n", name, *title ? "  " : "", title);
}

static void add_row(struct report *report, const char *check,
		    const char *subject, enum report_state state,
		    const char *text, const char *hint)
{
	report->counts[state]++;
	if (report->rows) {
		json_array_append_new(
			report->rows,
			json_pack("{s:s?, s:s, s:s, s:s, s:s, s:s}",
				  "connection", report->section, "check", check,
				  "subject", subject, "state", names[state],
				  "text", text, "hint", hint));
		return;
	}
	printf("%-*s %-*s %s%s%s\n", CHECK_W, check, SUBJECT_W, subject,
	       names[state], *text ? "  " : "", text);
	if (*hint)
		printf("%*s-> %s\n", CHECK_W + SUBJECT_W + 8, "", hint);
	/* The next one may take its time. */
	fflush(stdout);
}

void report_row(struct report *report, const char *check, const char *subject,
		enum report_state state, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	add_row(report, check, subject, state, text, "");
}

void report_failure(struct report *report, const char *check,
		    const char *subject, enum report_state state,
		    const struct hybridge_error *err)
{
	add_row(report, check, subject, state, err->what, err->hint);
}

static void print_json(const struct report *report)
{
	json_t *root = json_pack("{s:i, s:O, s:i, s:i, s:i}", "schema", 1,
				 "checks", report->rows, "failed",
				 (int)report->counts[REPORT_FAIL], "warned",
				 (int)report->counts[REPORT_WARN], "skipped",
				 (int)report->counts[REPORT_SKIP]);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

	if (text)
		puts(text);
	free(text);
	json_decref(root);
}

static void print_sum(const struct report *report)
{
	const unsigned int *counts = report->counts;

	if (counts[REPORT_SKIP] > 0)
		printf("\n%u failed, %u not tried because of it\n",
		       counts[REPORT_FAIL], counts[REPORT_SKIP]);
	else if (counts[REPORT_FAIL] > 0)
		printf("\n%u failed\n", counts[REPORT_FAIL]);
	else if (counts[REPORT_WARN] > 0)
		printf("\nworks, with %u warning%s\n", counts[REPORT_WARN],
		       counts[REPORT_WARN] == 1 ? "" : "s");
	else
		puts("\nall is well");
}

bool report_end(struct report *report)
{
	if (report->rows)
		print_json(report);
	else
		print_sum(report);
	json_decref(report->rows);
	report->rows = NULL;
	return report->counts[REPORT_FAIL] == 0;
}
