#include "feed/mhd.h"

#include "util/library.h"

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

static struct rsw_mhd mhd;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBMICROHTTPD, mhd, list);

const struct rsw_mhd *rsw_mhd(struct rsw_error *err) {
    return rsw_library_load(&library, err) == 0 ? &mhd : NULL;
}
