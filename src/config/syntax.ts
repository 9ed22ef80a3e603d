/** The small languages inside values: hours of deleteWhen, delay levels, addresses. */

/** "04" or "04;16": hours of the day. */
export const HOURS = {
  words: 'hours of the day, 00 to 23, separated by ";": "04" or "04;16"',
  test: (text: string) => text.split(';').every((hour) => /^([01]?\d|2[0-3])$/.test(hour.trim())),
} as const

const DELAY_DAYS = { s: 1 / 86_400, m: 1 / 1440, h: 1 / 24, d: 1 } as const
const DELAY_DAYS_MAX = 36_500
const DELAY_LEVELS_MAX = 200

/** "1s 5s 10s 30s 1m": level 1 is the first. */
export const DELAY_LEVELS = {
  words:
    'delays of a whole number and s, m, h or d, separated by a blank: "1s 5s 1m 2h"; each is at most ' +
    `${DELAY_DAYS_MAX}d, and there are at most ${DELAY_LEVELS_MAX}`,
  test: (text: string) => {
    const levels = text.split(' ')
    return levels.length <= DELAY_LEVELS_MAX && levels.every(isDelay)
  },
} as const

function isDelay(level: string): boolean {
  const [, count, unit] = /^([1-9]\d{0,9})([smhd])$/.exec(level) ?? []
  return count !== undefined && Number(count) * DELAY_DAYS[unit as keyof typeof DELAY_DAYS] <= DELAY_DAYS_MAX
}

/** "host:port;host:port", or empty. A comma or blank between them is a common mistake. */
export const ADDRESSES = {
  words: 'addresses "host:port", separated by ";"',
  test: (text: string) => text === '' || isAddressList(text),
} as const

export function isAddressList(text: string): boolean {
  return text.split(';').every((address) => /^[^\s;,:]+:\d{1,5}$|^\[[0-9a-fA-F:.]+\]:\d{1,5}$/.test(address.trim()))
}

export const HTTP_URL = {
  words: 'a URL "http://host:port/path"',
  test: (text: string) => /^https?:\/\/[^\s/]+(\/\S*)?$/.test(text),
} as const
