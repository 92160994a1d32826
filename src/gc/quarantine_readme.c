/* What is said in the quarantine to whoever finds it without us. */
#include "gc/quarantine.h"

#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* Both say this. */
#define LEAVE_ALONE                                                                                          \
    "Leave all of it alone while a sweep is under way (`regsweep inspect generations` says condemned, "      \
    "unlinked or\n"                                                                                          \
    "hidden): what a client asks for meanwhile is put back from here. regsweep removes it by itself when "   \
    "it "                                                                                                    \
    "is\n"                                                                                                   \
    "due. What stays longer are manifests that a cache of the registry may still know.\n"                    \
    "\n"                                                                                                     \
    "Putting back with regsweep\n"                                                                           \
    "--------------------------\n"                                                                           \
    "\n"                                                                                                     \
    "`regsweep restore NAME:TAG`, `regsweep restore DIGEST`, `regsweep restore --generation 7`. It may be "  \
    "done at\n"                                                                                              \
    "any time, and a sweep that is under way knows of it.\n"                                                 \
    "\n"                                                                                                     \
    "Putting back without regsweep\n"                                                                        \
    "-----------------------------\n"                                                                        \
    "\n"

/* Every line that begins with blanks is a command, and the tests run them. */
static const char readme[] =
    "regsweep's quarantine\n"
    "=====================\n"
    "\n"
    "regsweep removes from this registry what nothing needs. Before it goes for good it lies here for a "
    "while, so\n"
    "that it can be put back. Each folder with a number is a generation: what one sweep took. In it every "
    "file\n"
    "lies under the very path that it was taken from. The registry does not look in here. `7.owner` names "
    "the "
    "index of\n"
    "regsweep that began generation 7.\n"
    "\n" LEAVE_ALONE
    "Go to the registry's root directory, the one that has `docker` and `regsweep` in it. Be the user that "
    "the\n"
    "registry runs as; for root see below. No sweep must be under way. All of generation 7, as hard links, "
    "which\n"
    "need no room; nothing that is there is overwritten (some versions of cp complain of what they pass "
    "over):\n"
    "\n"
    "    cp -rln regsweep/quarantine/7/. .\n"
    "\n"
    "All generations, the newest first:\n"
    "\n"
    "    for n in $(ls regsweep/quarantine | grep -x '[0-9]*' | sort -rn); do cp -rln "
    "regsweep/quarantine/$n/. .; done\n"
    "\n"
    "One file, by its path in here:\n"
    "\n"
    "    f=docker/registry/v2/blobs/sha256/ab/abcd/data\n"
    "    mkdir -p \"$(dirname $f)\" && ln regsweep/quarantine/7/$f $f\n"
    "\n"
    "An image is many files: a revision, layer links and a tag below `repositories`, and the data of each of "
    "its\n"
    "parts below `blobs`. Putting back all of a generation does no harm: the next sweep finds what nothing "
    "needs.\n"
    "\n"
    "Done by root, what is new must be given to the registry's user, here the one who has `docker`:\n"
    "\n"
    "    chown -R --reference=docker docker\n"
    "\n"
    "On a filesystem without hard links leave the l out of cp's options. Do not use `cp -a`: it gives the "
    "folders\n"
    "of the registry the owner and mode of those in here. The registry need not be restarted. Afterwards "
    "run\n"
    "`regsweep scan`, so that its index knows of it.\n";

/* The same for a bucket. %s: its URL, with the registry's prefix. */
static const char bucket_readme[] =
    "regsweep's quarantine\n"
    "=====================\n"
    "\n"
    "regsweep removes from this registry what nothing needs. Before it goes for good it lies here for a "
    "while, so\n"
    "that it can be put back. Each number is a generation: what one sweep took. In it every object has the "
    "very key\n"
    "that it was taken from. The registry does not look in here. `7.owner` names the "
    "index of\n"
    "regsweep that began generation 7.\n"
    "\n" LEAVE_ALONE
    "With the command line of AWS, and as somebody who may read and write this bucket (another store than "
    "AWS wants\n"
    "--endpoint-url as well). No sweep must be under way. All of generation 7; with --size-only nothing that "
    "is there\n"
    "is overwritten:\n"
    "\n"
    "    aws s3 sync --size-only --exclude '*/version' %s/regsweep/quarantine/7/ %s/\n"
    "\n"
    "Of several generations take the newest first. One object, by its key in here:\n"
    "\n"
    "    f=docker/registry/v2/blobs/sha256/ab/abcd/data\n"
    "    aws s3 cp %s/regsweep/quarantine/7/$f %s/$f\n"
    "\n"
    "In a bucket that keeps versions the data of blobs is not in here. In its place lies an object that is "
    "called\n"
    "`version` and names the key of the data, below the registry's root directory, and the version of it "
    "that is out\n"
    "of sight. To have it back, copy that version over its own key:\n"
    "\n"
    "    aws s3api copy-object --bucket BUCKET --key KEY --copy-source 'BUCKET/KEY?versionId=VERSION'\n"
    "\n"
    "An image is many objects: a revision, layer links and a tag below `repositories`, and the data of each "
    "of its\n"
    "parts below `blobs`. Putting back all of a generation does no harm: the next sweep finds what nothing "
    "needs.\n"
    "The registry need not be restarted. Afterwards run `regsweep scan`, so that its index knows of it.\n";

int rsw_quarantine_readme(struct rsw_buf *out, const struct rsw_storage *storage, struct rsw_error *err) {
    const char *url = rsw_storage_url(storage);
    int len = (int)strlen(url);
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    RSW_AUTO_FREE char *bare = strndup(url, (size_t)len);
    if (bare == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return storage->flat ? rsw_buf_addf(out, err, bucket_readme, bare, bare, bare, bare)
                         : rsw_buf_add(out, readme, sizeof readme - 1, err);
}
