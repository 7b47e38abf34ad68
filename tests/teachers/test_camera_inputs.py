"""Camera inputs of the multi-view teachers against vectors of the reference implementation."""

import torch

from teachers.camera_inputs import mvdream_cameras, richdreamer_cameras


def test_cameras_match_and_leave_the_poses_alone(golden):
    vectors = golden("cameras/cameras")
    c2w = vectors["c2w"].clone()
    mvdream = mvdream_cameras(c2w)
    richdreamer = richdreamer_cameras(c2w, vectors["relative_distance"])
    torch.testing.assert_close(mvdream, vectors["mvdream_camera"], rtol=0, atol=2e-6)
    torch.testing.assert_close(richdreamer, vectors["nd_mv_camera"], rtol=0, atol=2e-6)
    assert torch.equal(c2w, vectors["c2w"])
