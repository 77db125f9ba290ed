/*
 * config_clash.h - refuses host maps that say two things at once.
 */
#ifndef HYBRIDGE_CONFIG_CLASH_H
#define HYBRIDGE_CONFIG_CLASH_H

#include <hybridge/config.h>
#include <hybridge/settings.h>

/**
 * config_check_clashes() - Look for entries that get in each other's way
 * @settings: That @config is from, for the places
 * @config: With its map and range filled in
 *
 * Refused are the same host and port in two connections, and two names or
 * addresses that share one loopback address.
 *
 * Return: 0, or -1 with @err set
 */
HYBRIDGE_MUSTUSE int
config_check_clashes(const struct hybridge_settings *settings,
		     const struct hybridge_config *config,
		     struct hybridge_error *err);

#endif
