/* Integers in a fixed byte order, at any alignment. */
#ifndef REGSWEEP_UTIL_BYTES_H
#define REGSWEEP_UTIL_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void rsw_put_be32(void *to, uint32_t value) {
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}
static inline uint32_t rsw_get_be32(const void *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return be32toh(value);
}
static inline void rsw_put_be64(void *to, uint64_t value) {
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint64_t rsw_get_be64(const void *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return be64toh(value);
}
static inline void rsw_put_le32(void *to, uint32_t value) {
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}
static inline uint32_t rsw_get_le32(const void *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}
static inline void rsw_put_le64(void *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint64_t rsw_get_le64(const void *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

#endif
