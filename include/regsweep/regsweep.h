/* libregsweep: online garbage collection for container registries. Includes everything public. */
#ifndef REGSWEEP_REGSWEEP_H
#define REGSWEEP_REGSWEEP_H

#include <regsweep/clock.h>
#include <regsweep/digest.h>
#include <regsweep/error.h>
#include <regsweep/feed.h>
#include <regsweep/index.h>
#include <regsweep/lease.h>
#include <regsweep/log.h>
#include <regsweep/policy.h>
#include <regsweep/registry.h>
#include <regsweep/scan.h>
#include <regsweep/storage.h>
#include <regsweep/sweep.h>
#include <regsweep/types.h>
#include <regsweep/verify.h>

#endif
