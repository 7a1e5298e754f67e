"""What coordinator and site share."""
