-- Up Migration

-- The nearest drivers that qualify. Walks the spatial index outwards from a point (`<->` on geography: metres on the sphere) and
-- ends at the radius, or when it has enough. As one statement the planner would either collect the whole circle and sort it, or,
-- where few drivers qualify, walk on over the whole table. Those as far away as the last one are taken too, so that a tie can be
-- broken the same way each time.
create function nearby_drivers(
  here geography,
  radius double precision,
  fresh_since timestamptz,
  wanted_status text,
  most integer
) returns table (driver_id text, distance_meters double precision)
language plpgsql stable as $$
declare
  -- A declared cursor is planned to begin soon, not to end soon: hence by the index
  nearest no scroll cursor for
    select d.driver_id, d.location <-> here as distance, d.recorded_at, d.status
      from driver_locations d
     where d.location is not null
     order by d.location <-> here;
  taken integer := 0;
  last_distance double precision := 0;
begin
  for candidate in nearest loop
    exit when candidate.distance > radius;
    exit when taken >= most and candidate.distance > last_distance;
    continue when candidate.recorded_at < fresh_since;
    continue when wanted_status is not null and candidate.status <> wanted_status;
    driver_id := candidate.driver_id;
    distance_meters := candidate.distance;
    return next;
    taken := taken + 1;
    last_distance := candidate.distance;
  end loop;
end
$$;

-- Down Migration

drop function nearby_drivers(geography, double precision, timestamptz, text, integer);
