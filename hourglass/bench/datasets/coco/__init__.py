"""COCO's on-disk formats: instances (JSON) and panoptic (JSON and PNG), read and written."""
