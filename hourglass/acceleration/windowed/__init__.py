"""The hourglass inside windowed vision transformers: Swin, SwinV2 and the encoder of SAM.

Where `Plan.start` falls in a stage, the tokens of every attention window become `Plan.clusters` centers; the rest of
the stage attends in windows of that smaller size; the end of the stage reconstructs all tokens, before patch merging
and output norms. SAM's encoder is one single stage, at the end of which the neck waits.
"""
