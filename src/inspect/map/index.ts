/**
 * A picture of a store: segments × what is in them.
 *
 *   store-map                          the numbers: grid (cells), spans (kinds by queue offset), read-units, walk-gaps, marks,
 *                                      residency
 *   rows, told                         cut to a picture's size; what it means in words
 *   svg, page                          as a drawing, as a page (loaded by whoever wants one)
 */
export { KIND_TEXTS, KINDS, type Kind, type KindBytes } from './kinds.ts'
export type { Mark, RetentionOutlook } from './marks.ts'
export {
  type MapCell,
  type MapGroup,
  type MapOptions,
  type MapSegment,
  type MapTopic,
  type StoreMap,
  storeMap,
} from './store-map.ts'
export { type Told, told } from './told.ts'
