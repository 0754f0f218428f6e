import type { SqlModule } from '#core/sql';
import { mirrorSql } from '#engine/mirror';
import { proxySql } from '#registries/proxy/catalog';
import { storeModule } from '#registries/store';

/** Tables of the catalog: the reading thread and the writer's thread must know the same ones. */
export const SQL_MODULES: readonly SqlModule[] = [storeModule, mirrorSql, proxySql];
