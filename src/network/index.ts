/** The network room's public surface. */
export * from './errors.ts';
export { createNetwork } from './network.ts';
export type * from './types.ts';
