import numpy as np
import pytest

from gradatim.data.sizes import choose_channels, choose_shape, choose_size


def sizes(*pairs):
    return np.array(pairs, dtype=np.int32).reshape(-1, 2)


@pytest.mark.parametrize("side", [8, 28, 32, 64])
def test_small_squares_of_one_size_are_kept(side):
    chosen, reason = choose_size(sizes(*[(side, side)] * 5), "crop")
    assert chosen == side and f"all pictures are {side} x {side}" in reason


def test_photos_get_a_modest_side_and_the_way_to_a_larger_one():
    chosen, reason = choose_size(sizes(*[(400, 533)] * 5), "crop")
    assert chosen == 64
    assert "--set data.size=224" in reason and "12 times" in reason
    assert pytest.approx(12.25) == (224 / 64) ** 2


@pytest.mark.parametrize(("middle", "side"), [(28, 28), (29, 32), (3, 8), (63, 64), (65, 64)])
def test_small_pictures_of_several_sizes(middle, side):
    chosen, _ = choose_size(sizes((middle, 900), (middle, middle), (middle, middle + 1)), "crop")
    assert chosen == side


def test_a_letterbox_goes_by_the_longer_side():
    assert choose_size(sizes(*[(10, 40)] * 3), "letterbox")[0] == 40
    assert choose_size(sizes(*[(10, 40)] * 3), "crop")[0] == 12


def test_shape_of_photos():
    for ratio in ((3, 2), (4, 3), (1, 1), (2, 3)):
        assert choose_shape(sizes(*[(100 * ratio[0], 100 * ratio[1])] * 5))[0] == "crop"
    shape, reason = choose_shape(sizes(*[(1920, 1080)] * 5))
    assert shape == "letterbox" and "cost 100% of the pictures more" in reason


def test_shape_is_chosen_by_nine_of_ten():
    nine = [(300, 200)] * 9
    assert choose_shape(sizes(*nine, (900, 100)))[0] == "crop"
    shape, reason = choose_shape(sizes(*nine, (900, 100), (900, 100)))
    assert shape == "letterbox" and "18%" in reason


def test_channels():
    assert choose_channels(np.array([True, True]))[0] == 1
    channels, reason = choose_channels(np.array([True, False]))
    assert channels == 3 and reason == "1 of 2 pictures hold colour"


def test_nothing_to_judge_by():
    none = sizes()
    assert choose_shape(none)[0] == "crop"
    assert choose_size(none, "crop")[0] == 64
    assert choose_channels(np.array([], dtype=bool))[0] == 3
