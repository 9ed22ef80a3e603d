/** Stands for "no offset": offsets count from 0. */
export const NO_OFFSET = -1
