export { NoProcError } from './errors.ts';
export { createHost, type Host, type HostFigures } from './host.ts';
export { createMounts, findSticks, type Mounts, type MountsLogger, type Stick } from './mounts.ts';
export { musicFolder } from './music-folder.ts';
export { createNotify, type Notify, takeNotifyInit } from './notify.ts';
export { runsFromMemory, storageTrouble } from './storage.ts';
export { createUpdates, type Updates } from './update/updates.ts';
export { createWatchdog, type RadioReading, type Watchdog } from './watchdog.ts';
export { createWifi, HOTSPOT_ADDRESS, type Wifi, type WifiComponents, type WifiInit } from './wifi/wifi.ts';
