/* Pins that are kept in the index: what is named so stays, with all that it needs, until the pin is taken
 * away or has run out. What a pin names need not be known. */
#ifndef REGSWEEP_INDEX_PIN_H
#define REGSWEEP_INDEX_PIN_H

#include "index/deletion.h"

#define RSW_PIN_TEXT_MAX 500
struct rsw_kept_pin {
    char text[RSW_PIN_TEXT_MAX + 1]; /* DIGEST, NAME@DIGEST or NAME:TAG; callers have checked it */
    int64_t created_ms;
    int64_t until_ms; /* 0: it does not run out */
    char note[RSW_NOTE_MAX + 1];
};
int rsw_kept_pin_get(struct rsw_txn *txn, const char *text, struct rsw_kept_pin *out);
void rsw_kept_pin_put(struct rsw_txn *txn, const struct rsw_kept_pin *pin);
void rsw_kept_pin_drop(struct rsw_txn *txn, const char *text);       /* an absent one is no error */
void rsw_iter_kept_pins(struct rsw_iter *iter, struct rsw_txn *txn); /* by text */
int rsw_kept_pin_next(struct rsw_iter *iter, struct rsw_kept_pin *out);

#endif
