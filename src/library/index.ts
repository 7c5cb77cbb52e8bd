/** The library room: from folders of music to content-addressed segments. README.md explains it. */
export { type BlockSource, type ContentStore, createContentStore } from './content-store.ts';
export { createDatastore, type SqliteDatastore } from './datastore.ts';
export { makeDemoLibrary } from './demo-library.ts';
export * from './errors.ts';
export { createLibrary, type LibraryComponents, type LibraryInit } from './library.ts';
export { decodeManifest, durationMs } from './manifest.ts';
export type * from './types.ts';
