#include "feed/mhd.h"

#include "util/library.h"

int rsw_mhd_load(struct rsw_mhd *out, struct rsw_error *err) {
    static const struct rsw_function list[] = {
        RSW_FUNCTION(struct rsw_mhd, MHD_start_daemon),
        RSW_FUNCTION(struct rsw_mhd, MHD_quiesce_daemon),
        RSW_FUNCTION(struct rsw_mhd, MHD_stop_daemon),
        RSW_FUNCTION(struct rsw_mhd, MHD_create_response_from_buffer),
        RSW_FUNCTION(struct rsw_mhd, MHD_add_response_header),
        RSW_FUNCTION(struct rsw_mhd, MHD_queue_response),
        RSW_FUNCTION(struct rsw_mhd, MHD_destroy_response),
        RSW_FUNCTION(struct rsw_mhd, MHD_suspend_connection),
        RSW_FUNCTION(struct rsw_mhd, MHD_resume_connection),
        RSW_FUNCTION(struct rsw_mhd, MHD_lookup_connection_value),
    };
    return rsw_library_load(out, list, sizeof list / sizeof *list, REGSWEEP_LIBMICROHTTPD, err);
}
