export * from './box.ts';
export { BindAddressError, PortForbiddenError, PortInUseError, WebRootError } from './errors.ts';
export type { StatusSnapshot } from './snapshot.ts';
export * from './snapshot.ts';
export { createWeb, type Web, type WebComponents, type WebInit, type WebLogger } from './web.ts';
