/* libmicrohttpd, as far as we need it; see util/library.h. */
#ifndef REGSWEEP_FEED_MHD_H
#define REGSWEEP_FEED_MHD_H

#include <regsweep/error.h>

#include <microhttpd.h>

/* Each as libmicrohttpd(3) has it. */
struct rsw_mhd {
    __typeof__(&MHD_start_daemon) MHD_start_daemon;
    __typeof__(&MHD_quiesce_daemon) MHD_quiesce_daemon;
    __typeof__(&MHD_stop_daemon) MHD_stop_daemon;
    __typeof__(&MHD_create_response_from_buffer) MHD_create_response_from_buffer;
    __typeof__(&MHD_add_response_header) MHD_add_response_header;
    __typeof__(&MHD_queue_response) MHD_queue_response;
    __typeof__(&MHD_destroy_response) MHD_destroy_response;
    __typeof__(&MHD_suspend_connection) MHD_suspend_connection;
    __typeof__(&MHD_resume_connection) MHD_resume_connection;
    __typeof__(&MHD_lookup_connection_value) MHD_lookup_connection_value;
};

/* NULL, and the error: it cannot be loaded. For any number of threads. */
const struct rsw_mhd *rsw_mhd(struct rsw_error *err);

#endif
