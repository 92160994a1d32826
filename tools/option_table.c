/* The table of options. Adding one: a line here, a member in struct rsw_options. */
#include "commands.h"
#include "options.h"

#define AT(member) offsetof(struct rsw_options, member)
#define ONLINE (RSW_FOR_SERVE | RSW_FOR_SWEEP)
#define ASKED (ONLINE | RSW_FOR_DOCTOR) /* the running registry is asked */
#define MARK (RSW_FOR_SWEEP | RSW_FOR_WHY | RSW_FOR_GARBAGE | RSW_FOR_POLICY)
/* Those are the limits of what serve can be asked for. */
#define LIMITED (MARK | RSW_FOR_SERVE)
/* What lets a run delete is asked for where it is run: a forgotten variable or a line in a file that is
 * shared by every command must not turn a look into a deletion. */
#define ASKED_FOR RSW_IN_FLAG
/* What a sweep can also be told in POST /sweeps. */
#define SENT RSW_IN_REQUEST

const struct rsw_option rsw_option_table[] = {
    {"index", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(index), 0, "/var/lib/regsweep", "DIR",
     "Directory of the index."},
    {"storage", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(storage), 0, NULL, "URL",
     "The registry's storage: file:///path, or a plain absolute path, of the directory that contains "
     "docker/registry/v2; or s3://bucket/path. Without it, what --registry-config says."},
    {"s3-endpoint", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_endpoint), 0, NULL, "URL",
     "Where S3 is: http://HOST:PORT or https://HOST:PORT. Without it, what --registry-config says, else AWS. "
     "Who we are to it is told as to the tools of AWS: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
     "AWS_SESSION_TOKEN, AWS_PROFILE in ~/.aws/credentials or ~/.aws/config, or a role of the pod, "
     "container or instance."},
    {"s3-region", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_region), 0, NULL, "NAME",
     "Region of the bucket. Without it, what --registry-config says, else AWS_REGION, AWS_DEFAULT_REGION, "
     "the profile of AWS_PROFILE, us-east-1."},
    {"s3-style", 0, RSW_OPTION_CHOICE, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_style), 0, "auto", "auto|host|path",
     "Whether the bucket stands in the host's name or in the path. auto: in the path where --s3-endpoint is "
     "given or the name cannot stand in a host's."},
    {"s3-ca", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_ca), 0, NULL, "FILE",
     "Authorities that the certificate of S3 is checked by, PEM, instead of the system's."},
    {"s3-proxy", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_proxy), 0, NULL, "URL",
     "Proxy on the way to S3. Without it there is none, whatever the environment says."},
    {"s3-storage-class", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_storage_class), 0, NULL, "NAME",
     "Storage class of what is written to S3. Without it, what --registry-config says, else of a "
     "copy that of its source. NONE: none is named."},
    {"s3-encryption", 0, RSW_OPTION_CHOICE, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_encryption), 0, "auto",
     "auto|AES256|aws:kms|aws:kms:dsse",
     "How S3 is to encrypt what is written. auto: as --registry-config says, else a copy as its "
     "source is, and all else as the bucket does by itself."},
    {"s3-kms-key", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_kms_key), 0, NULL, "ID",
     "Key of KMS for that."},
    {"s3-acl", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_acl), 0, NULL, "NAME",
     "Canned ACL of what is written to S3. Without it, what --registry-config says, else that the bucket's "
     "owner has all rights, where the store takes that."},
    {"s3-requests-per-second", 0, RSW_OPTION_NUMBER, RSW_FOR_ALL, RSW_IN_ALL, AT(s3_requests_per_second),
     1000000, "0", "N",
     "Ask S3 no more often, all threads of this process together. 0: as often as it answers."},
    {"config", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_FLAG | RSW_IN_ENVIRONMENT, AT(config), 0, NULL,
     "FILE", "YAML file with options, under their names without the dashes."},
    {"registry-config", 0, RSW_OPTION_STRING, RSW_FOR_ALL, RSW_IN_ALL, AT(registry_config), 0, NULL, "FILE",
     "The registry's own config.yml: tells where storage is, and regsweep warns of what would hurt. "
     "Variables "
     "REGISTRY_* that override it in the registry's environment are not seen."},
    {"json", 0, RSW_OPTION_FLAG, RSW_FOR_ALL, RSW_IN_ALL, AT(json), 0, NULL, NULL,
     "Print the result as one JSON object."},
    {"quiet", 'q', RSW_OPTION_FLAG, RSW_FOR_ALL, RSW_IN_ALL, AT(quiet), 0, NULL, NULL,
     "No progress and no notes on stderr; warnings and errors stay."},
    {"verbose", 'v', RSW_OPTION_FLAG, RSW_FOR_ALL, RSW_IN_ALL, AT(verbose), 0, NULL, NULL,
     "Tell on stderr what is being done; a sweep lists layer links too."},
    {"map-size", 0, RSW_OPTION_SIZE, RSW_FOR_ALL, RSW_IN_ALL, AT(map_size), 0, "0", "SIZE",
     "Upper limit of the index, such as 4G. 0: grows as long as the disk has room."},

    {"rebuild", 0, RSW_OPTION_FLAG, RSW_FOR_SCAN, ASKED_FOR, AT(rebuild), 0, NULL, NULL,
     "Throw an existing index away first, a damaged one too. When things were last touched is lost with it."},
    {"links-only", 0, RSW_OPTION_FLAG, RSW_FOR_SCAN, ASKED_FOR, AT(links_only), 0, NULL, NULL,
     "Read what repositories hold, and do not list blobs: enough after lost events, and cheaper on an object "
     "store. A first scan lists them all the same, and so does one after another regsweep has swept."},
    {"threads", 0, RSW_OPTION_NUMBER, RSW_FOR_SCAN | RSW_FOR_VERIFY, RSW_IN_ALL, AT(threads), 1024, "0", "N",
     "Readers of storage at once. 0: twice the processors, on S3 16 at least."},

    {"listen", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(listen), 0, "127.0.0.1:5050", "ADDR:PORT",
     "Where to take events. An address that others can reach needs a token."},
    {"token-file", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(token_file), 0, NULL, "FILE",
     "File with the bearer token that the registry's endpoint sends with its events."},
    {"token", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ENVIRONMENT, AT(token), 0, NULL, "TOKEN",
     "The token itself. In the environment alone: a command line is seen by every user of the machine."},
    {"sweep-token-file", 0, RSW_OPTION_STRING, ONLINE | RSW_FOR_FORGET, RSW_IN_ALL, AT(sweep_token_file), 0,
     NULL, "FILE",
     "File with the bearer token of those who may ask serve for sweeps and deletions, which sweep and forget "
     "--server send. It must "
     "not be that of events. Without it serve sweeps for nobody else."},
    {"sweep-token", 0, RSW_OPTION_STRING, ONLINE | RSW_FOR_FORGET, RSW_IN_ENVIRONMENT, AT(sweep_token), 0,
     NULL, "TOKEN", "That token itself."},
    {"tls-cert", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(tls_cert), 0, NULL, "FILE",
     "Certificate, PEM; with --tls-key the feed speaks HTTPS."},
    {"tls-key", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(tls_key), 0, NULL, "FILE",
     "Private key of --tls-cert, PEM."},
    {"deletion-callback", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(deletion_callback), 0, NULL,
     "URL", "Where to POST a deletion that has ended, done or called off, until that is answered with 2xx."},
    {"deletion-callback-token-file", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL,
     AT(deletion_callback_token_file), 0, NULL, "FILE",
     "File with the bearer token to send there. Only to https://."},
    {"deletion-callback-ca", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(deletion_callback_ca), 0,
     NULL, "FILE", "Authorities that its certificate is checked by, PEM, instead of the system's."},

    {"confirm", 0, RSW_OPTION_FLAG, RSW_FOR_SWEEP, ASKED_FOR | SENT, AT(confirm), 0, NULL, NULL,
     "Delete. Without it nothing is changed."},
    {"offline", 0, RSW_OPTION_FLAG, MARK, ASKED_FOR, AT(offline), 0, NULL, NULL,
     "The registry is stopped or read-only, and stays so for as long as this runs. With --confirm, where "
     "--registry or --registry-config tells where it is, one that takes pushes is refused; so is one that "
     "was heard within ten minutes, unless it is what was asked and that is read-only or refuses "
     "connections."},
    {"untagged", 0, RSW_OPTION_CHOICE, LIMITED, RSW_IN_ALL | SENT, AT(untagged), 0, "keep", "keep|remove",
     "What becomes of manifests that no tag keeps."},
    {"grace", 0, RSW_OPTION_DURATION, LIMITED, RSW_IN_ALL | SENT, AT(grace_ms), 0, "24h", "DURATION",
     "What a client was told of within this time stays."},
    {"upload-max-age", 0, RSW_OPTION_DURATION, LIMITED, RSW_IN_ALL | SENT, AT(upload_max_age_ms), 0, "168h",
     "DURATION", "Uploads begun longer ago are stale. With --confirm at least as long as --grace."},
    {"version-max-age", 0, RSW_OPTION_DURATION, ONLINE, RSW_IN_ALL, AT(version_max_age_ms), 0, "0",
     "DURATION",
     "S3, in a bucket that keeps versions: delete those below docker/registry/v2 that are not current for "
     "longer, and what marks as deleted what is gone. 0: they stay. Otherwise at least as long as --settle. "
     "Without --confirm they are counted."},
    {"pin", 0, RSW_OPTION_STRINGS, LIMITED, RSW_IN_ALL | SENT, AT(pins), 0, NULL, "PIN",
     "Keep what this names, and all that it needs: DIGEST, wherever it is, NAME@DIGEST in one repository, or "
     "NAME:TAG, a tag and whatever it points at. May be given again."},
    {"pins", 0, RSW_OPTION_STRINGS, LIMITED, RSW_IN_ALL, AT(pin_files), 0, NULL, "FILE",
     "File with such pins, one a line; what begins with # is a remark. May be given again."},
    {"in-use", 0, RSW_OPTION_STRINGS, LIMITED, RSW_IN_ALL, AT(in_use), 0, NULL, "FILE",
     "Keep the images that the objects in it name: what kubectl get … -A -o json printed, - for standard "
     "input. A file that cannot be read whole refuses the run. May be given again."},
    {"in-use-api", 0, RSW_OPTION_STRING, LIMITED, RSW_IN_ALL, AT(in_use_api), 0, NULL, "URL|in-cluster",
     "The same from the API server of a cluster: https://HOST:PORT, or in-cluster for that of the cluster "
     "that "
     "this runs in."},
    {"in-use-token-file", 0, RSW_OPTION_STRING, LIMITED, RSW_IN_ALL, AT(in_use_token_file), 0, NULL, "FILE",
     "File with the token for that server. Without it, in-cluster, that of the pod's service account."},
    {"in-use-ca", 0, RSW_OPTION_STRING, LIMITED, RSW_IN_ALL, AT(in_use_ca), 0, NULL, "FILE",
     "Authorities that its certificate is checked by, PEM. Without it, in-cluster, those of the pod's "
     "service "
     "account, else the system's."},
    {"registry-name", 0, RSW_OPTION_STRINGS, LIMITED, RSW_IN_ALL, AT(registry_name), 0, NULL, "HOST[:PORT]",
     "How workloads name this registry: what stands before the first / of their images. With --in-use and "
     "--in-use-api. May be given again."},
    {"image-stream-revisions", 0, RSW_OPTION_NUMBER, LIMITED, RSW_IN_ALL, AT(image_stream_revisions),
     UINT32_MAX, "3", "N", "So many images of each tag of an image stream are in use, newest first. 0: all."},
    {"in-use-young", 0, RSW_OPTION_DURATION, LIMITED, RSW_IN_ALL, AT(in_use_young_ms), 0, "60m", "DURATION",
     "Pods that have finished use their images too if they were made within this time."},
    {"ignore-bad-references", 0, RSW_OPTION_FLAG, LIMITED, ASKED_FOR, AT(ignore_bad_references), 0, NULL,
     NULL,
     "Go on though workloads name images in a way that nobody can read. Without it such a run is refused."},
    {"used", 0, RSW_OPTION_STRINGS, LIMITED, SENT, AT(used), 0, NULL, "PIN",
     "What sweep --server found in use."},
    {"policy", 0, RSW_OPTION_STRING, LIMITED, RSW_IN_ALL, AT(policy), 0, NULL, "FILE",
     "Which tags, and which manifests without a tag, nobody needs any more: YAML. Without it tags stay."},
    {"max-delete", 0, RSW_OPTION_PERCENT, ONLINE, RSW_IN_ALL | SENT, AT(max_delete), 0, "30", "PERCENT",
     "Refuse a run that would let more than this part of the blobs, bytes, tags or manifests go. Runs of "
     "under "
     "100 objects are never refused for this."},
    {"audit", 0, RSW_OPTION_STRING, ONLINE, RSW_IN_ALL, AT(audit), 0, NULL, "FILE",
     "Where a line of JSON is written for every deletion. Without it, audit.jsonl in the index's directory."},

    {"registry", 0, RSW_OPTION_STRINGS, ASKED, RSW_IN_ALL, AT(registry), 0, NULL, "URL",
     "The running registry: http:// or https://. Given once for each replica, with the replica's own URL, "
     "none "
     "of a load balancer. Without it, what --registry-config says of http.addr, on this machine."},
    {"registry-user", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(registry_user), 0, NULL, "NAME",
     "User who may pull, push and delete in the registry."},
    {"registry-password-file", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(registry_password_file), 0, NULL,
     "FILE", "File with that user's password."},
    {"registry-password", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ENVIRONMENT, AT(registry_password), 0, NULL,
     "PASSWORD", "The password itself."},
    {"registry-realm", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(registry_realm), 0, NULL, "URL",
     "Token server that may be told the password too. Without it, only one on the registry's own host is."},
    {"registry-ca", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(registry_ca), 0, NULL, "FILE",
     "Authorities that the registry's certificate is checked by, PEM, instead of the system's."},
    {"cache", 0, RSW_OPTION_CHOICE, ASKED, RSW_IN_ALL, AT(cache), 0, "auto", "auto|none|memory|redis",
     "What the registry has as storage.cache.blobdescriptor. auto: what --registry-config says, without it "
     "memory, which is safe for none too."},
    {"redis", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(redis), 0, NULL, "HOST:PORT|URL",
     "The registry's Redis, also as redis://[USER@]HOST:PORT/DB. Without it, what --registry-config says."},
    {"redis-password-file", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(redis_password_file), 0, NULL, "FILE",
     "File with the password of Redis. Without it, what --registry-config says."},
    {"redis-password", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ENVIRONMENT, AT(redis_password), 0, NULL,
     "PASSWORD", "The password of Redis itself."},
    {"fence-repo", 0, RSW_OPTION_STRING, ASKED, RSW_IN_ALL, AT(fence_repo), 0, "regsweep/fence", "NAME",
     "Repository of the tiny artifact that is asked for to learn whether events arrive."},
    {"settle", 0, RSW_OPTION_DURATION, ONLINE | RSW_FOR_SCAN, RSW_IN_ALL | SENT, AT(settle_ms), 0, "10m",
     "DURATION", "Longer than any request to the registry takes: so long nothing is taken further."},
    {"quarantine", 0, RSW_OPTION_DURATION, ONLINE, RSW_IN_ALL | SENT, AT(quarantine_ms), 0, "24h", "DURATION",
     "How long what was taken out of the registry's sight can be put back before it is deleted."},
    {"fence-timeout", 0, RSW_OPTION_DURATION, ASKED, RSW_IN_ALL, AT(fence_timeout_ms), 0, "60s", "DURATION",
     "How long to wait for the registry's events to arrive. When they do not, nothing is deleted."},
    {"lease", 0, RSW_OPTION_DURATION, ONLINE, RSW_IN_ALL, AT(lease_ms), 0, "5m", "DURATION",
     "Of several regsweep on one storage, each with its own index, one sweeps at a time; one that says "
     "nothing "
     "for this long is taken for dead. At least 1m. 0: there is only this one."},
    {"schedule", 0, RSW_OPTION_STRING, RSW_FOR_SERVE, RSW_IN_ALL, AT(schedule), 0, NULL, "TIME|DURATION",
     "Sweep by itself: every day at this time of day (03:00), or as often as that (24h). The options of "
     "sweeps that serve was given count. Needs --registry."},
    {"schedule-delay", 0, RSW_OPTION_DURATION, RSW_FOR_SERVE, RSW_IN_ALL, AT(schedule_delay_ms), 0, "10m",
     "DURATION", "Each time up to that much later, by chance, so that several do not begin at once."},
    {"wait", 0, RSW_OPTION_FLAG, RSW_FOR_SWEEP, ASKED_FOR | SENT, AT(wait), 0, NULL, NULL,
     "Stay until all that is under way is deleted, through the times of --settle and --quarantine."},
    {"server", 0, RSW_OPTION_STRING, RSW_FOR_SWEEP | RSW_FOR_FORGET, RSW_IN_ALL, AT(server), 0, NULL, "URL",
     "Let the regsweep serve at this URL (http:// or https://) do it, with its index and its registry, where "
     "the "
     "index cannot be shared. What is given here of the options of a sweep goes before what serve was "
     "given."},
    {"server-ca", 0, RSW_OPTION_STRING, RSW_FOR_SWEEP | RSW_FOR_FORGET, RSW_IN_ALL, AT(server_ca), 0, NULL,
     "FILE", "Authorities that the certificate of --server is checked by, PEM, instead of the system's."},
    {"generation", 0, RSW_OPTION_NUMBER, RSW_FOR_RESTORE, RSW_IN_FLAG, AT(generation), UINT64_MAX, NULL, "N",
     "Put back all that this generation took."},
    {"note", 0, RSW_OPTION_STRING, RSW_FOR_FORGET | RSW_FOR_PIN, RSW_IN_FLAG, AT(note), 0, NULL, "TEXT",
     "Why, for whoever reads the list."},
    {"until", 0, RSW_OPTION_STRING, RSW_FOR_PIN, RSW_IN_FLAG, AT(until), 0, NULL, "TIME|DURATION",
     "The pin runs out then: 30d from now, or at 2027-03-01T00:00:00Z. Without it, it stays."},

    {"help", 'h', RSW_OPTION_FLAG, RSW_FOR_ALL, RSW_IN_FLAG, AT(help), 0, NULL, NULL, "Print this help."},
    {"version", 0, RSW_OPTION_FLAG, RSW_FOR_ALL, RSW_IN_FLAG, AT(version), 0, NULL, NULL,
     "Print the version."},
    {NULL, 0, RSW_OPTION_FLAG, 0, 0, 0, 0, NULL, NULL, NULL},
};
