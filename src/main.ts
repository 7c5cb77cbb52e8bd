/**
 * The front door: reads the command line and the settings, brings the rooms together, starts them, and ends them on a
 * signal. The only file that knows every room.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { StationClock } from './clock/station-clock.ts';
import type { ConsensusEvent } from './consensus/events.ts';
import { createConsensus, nextWakeMs, stationId, step, view } from './consensus/index.ts';
import { createContentStore } from './library/content-store.ts';
import { createDatastore } from './library/datastore.ts';
import { createLibrary } from './library/library.ts';
import { createNetwork } from './network/network.ts';
import { writeFileAtomically } from './node/atomic-file.ts';
import { loadSettings, type Settings } from './node/settings.ts';
import { createCrypto } from './node/crypto.ts';
import { loadIdentity } from './node/identity.ts';
import { Journal } from './node/journal.ts';
import { createLogger } from './node/logger.ts';
import { StarlingNode } from './node/node.ts';
import { buildSnapshot } from './node/snapshot.ts';
import { readTrackPlan } from './node/track-plan.ts';
import { createPlayback } from './playback/playback.ts';
import { createWeb } from './web/web.ts';

export {};
