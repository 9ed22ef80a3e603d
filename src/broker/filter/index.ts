/**
 * SQL92 filters as the broker keeps them: those of groups from heartbeats (consumer-filters), those that pulls carry
 * (sql-filters). The expressions themselves are src/filter.
 */
export { ConsumerFilters, type FilterSettings } from './consumer-filters.ts'
export { type FilterData, SQL92 } from './filter-data.ts'
export { publishFilters } from './publish-filters.ts'
export { filterOrFault, SqlFilters } from './sql-filters.ts'
