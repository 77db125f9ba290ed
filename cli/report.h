/*
 * report.h - what doctor has found, a row for each check: for people as it comes, or as JSON.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

#include <jansson.h>

#include <hybridge/error.h>

/** enum report_state - How a check ended */
enum report_state {
	REPORT_PASS,
	REPORT_WARN, /* it works, and needs somebody's attention */
	REPORT_FAIL,
	REPORT_SKIP, /* could not be tried, as something before it failed */
	REPORT_NONE, /* nothing to check */
	REPORT_STATES,
};

/**
 * struct report - All of it; start with report_begin()
 * @rows:    For JSON; NULL: rows are printed as they come
 * @section: The connection that rows are about, or NULL
 * @counts:  Rows in each state
 */
struct report {
	json_t *rows;
	const char *section;
	unsigned int counts[REPORT_STATES];
};

/** report_begin() - Nothing found yet; 0, or -1 when out of memory */
HYBRIDGE_MUSTUSE int report_begin(struct report *report, bool as_json);

/**
 * report_section() - The rows from here on are about a connection
 * @name:  Must outlive the report
 * @title: What is beside it in the heading
 */
void report_section(struct report *report, const char *name, const char *title);

/**
 * report_row() - One check
 * @check:   What was checked, one word
 * @subject: Of what
 * @state:   Not REPORT_FAIL: that is report_failure()
 * @fmt:     printf(3) format of what was found
 */
void report_row(struct report *report, const char *check, const char *subject,
		enum report_state state, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/** report_failure() - One check that failed, or that warns (@state), with cause and remedy */
void report_failure(struct report *report, const char *check,
		    const char *subject, enum report_state state,
		    const struct hybridge_error *err);

/**
 * report_end() - Print the JSON, or the sum of it all; release what it owns
 * Return: Whether nothing failed
 */
bool report_end(struct report *report);

#endif
