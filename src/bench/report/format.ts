/** Numbers as people read them: three digits that matter, a unit, "–" for what is not known. */
export const MISSING = '–'

/** 0.0853 → 0.085, 9.312 → 9.31, 93.12 → 93.1, 9312 → 9,312 */
export function digits(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 99.95) return Math.round(value).toLocaleString('en-US')
  if (size >= 9.995) return value.toFixed(1)
  if (size >= 0.9995) return value.toFixed(2)
  return size >= 0.0005 ? value.toFixed(3) : value.toExponential(1)
}

/** Without digits behind the point that say nothing: for axes. 1.00 → 1 */
export const plain = (text: string): string => text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '')

export function time(us: number | undefined): string {
  if (us === undefined) return MISSING
  if (us < 999.5) return `${us < 99.5 && us % 1 !== 0 ? digits(us) : Math.round(us)} µs`
  if (us < 999.5e3) return `${digits(us / 1000)} ms`
  if (us < 120e6) return `${digits(us / 1e6)} s`
  return `${digits(us / 60e6)} min`
}

/** Microseconds as milliseconds, without the unit. */
export const ms = (us: number | undefined): string => (us === undefined ? MISSING : digits(us / 1000))

/** 33,412 → 33.4 k */
export function count(value: number): string {
  if (value < 9.995) return value % 1 === 0 ? String(value) : digits(value)
  if (value < 999.5) return String(Math.round(value))
  if (value < 999.5e3) return `${digits(value / 1e3)} k`
  return value < 999.5e6 ? `${digits(value / 1e6)} M` : `${digits(value / 1e9)} G`
}

export function bytes(value: number | undefined): string {
  if (value === undefined) return MISSING
  if (value < 1023.5) return `${Math.round(value)} B`
  if (value < 1023.5 * 1024) return `${digits(value / 1024)} KiB`
  if (value < 1023.5 * 1024 ** 2) return `${digits(value / 1024 ** 2)} MiB`
  return `${digits(value / 1024 ** 3)} GiB`
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

export const plural = (value: number, noun: string): string => `${whole(value)} ${noun}${value === 1 ? '' : 's'}`

/** 0.0132 → 1.3 % */
export function percent(share: number): string {
  const value = share * 100
  if (value === 0) return '0 %'
  return value < 0.05 ? '< 0.1 %' : `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`
}
