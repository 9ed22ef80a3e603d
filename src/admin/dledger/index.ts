/** DLedger groups: who leads, how far each member is, leadership handed over. Loaded by the commands that ask for it alone. */
export * from './groups.ts'
export * from './look.ts'
export * from './member.ts'
export * from './transfer.ts'
