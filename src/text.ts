/** Sizes and times for eyes: one way to write them wherever we print. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(Math.abs(value) < 10 ? 2 : 1)} ${UNITS[unit]}`
}

const TIME_MAX = 8.64e15
const two = (value: number) => String(value).padStart(2, '0')

/** Local time, to the second or the millisecond; "-" for none. */
export function timeText(time: number, to: 's' | 'ms'): string {
  if (!(time > 0 && time <= TIME_MAX)) return '-'
  const date = new Date(time)
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return to === 's' ? `${day} ${clock}` : `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
