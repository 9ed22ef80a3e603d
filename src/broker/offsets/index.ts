/** Consumer offsets: the table of what each group has consumed (consumer-offsets.ts). */
export * from './consumer-offsets.ts'
export * from './no-offset.ts'
