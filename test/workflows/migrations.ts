/** Migrations as an operator types them: one application that writes, one that reads what it writes. */
import { copies, copiesEither, isSchemeName, type SchemeName } from '../../src/workflows/schemes/schemes.ts';

export interface Typed { readonly name: string; readonly source: string; readonly target: string; readonly [field: string]: unknown }
export const small = (name: string, more: { readonly scheme?: string; readonly [field: string]: unknown } = {}): Typed => {
  const { scheme, ...fields } = more;
  return {
    name, source: 'east', target: 'west', ...(isSchemeName(scheme ?? '') && !copies[scheme as SchemeName] && !copiesEither.includes(scheme as SchemeName) ? {} : { connect: 'west-connect' }), topics: ['orders'],
    applications: [
      { name: 'shop', fleet: 'shop', writes: ['orders'], principals: ['User:shop'] },
      { name: 'billing', fleet: 'billing', reads: [{ group: 'billing', topics: ['orders'], ...(scheme === 'restartAllAtOnce' && fields['connect'] === null ? { mayLose: 1_000 } : {}) }] },
    ],
    outage: { budgetMs: 10_000, undoReserveMs: 2_000 },
    ...(scheme === 'blueGreen' ? { blueGreen: { fleets: { shop: 'shop-green', billing: 'billing-green' }, until: 'muted', traffic: 'traffic', live: 'live', validate: 'check' } } : {}),
    ...fields,
  };
};
