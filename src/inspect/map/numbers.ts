/** Numbers for eyes, three digits that matter. */
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(value: number): string {
  let size = Math.round(value)
  if (size < 1024) return `${size} B`
  let unit = 0
  while (size >= 1023.5 && unit < UNITS.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${size < 9.995 ? size.toFixed(2) : size < 99.95 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`
}

/** An offset of the log as a place: `1.5 GiB`, and `0`. */
export const place = (offset: number): string => (offset === 0 ? '0' : bytes(offset))

export const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

export function percent(share: number): string {
  const value = share * 100
  if (value === 0) return '0 %'
  if (value < 0.1) return '< 0.1 %'
  return value >= 99.95 ? '100 %' : value < 9.95 ? `${value.toFixed(1)} %` : `${value.toFixed(0)} %`
}
