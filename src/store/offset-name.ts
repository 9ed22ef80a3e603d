/**
 * The name of a file of the log, of a ConsumeQueue: its first offset in 20 digits.
 *
 * toFixed, because V8 keeps the texts that String() makes of numbers in a table of its old generation: each name would live
 * until the next collection, which is minutes away, in each thread that opens the file.
 */
const NAME_LENGTH = 20

/** `1073741824` → `00000000001073741824`. */
export function offsetName(offset: number): string {
  return offset.toFixed(0).padStart(NAME_LENGTH, '0')
}
